"""The inputs of decisions on a payment, and their errors."""

from dataclasses import dataclass

from chassis.amounts import readable
from chassis.errors import PermanentError, TransientError
from contracts.erasure import ErasePayment
from contracts.money import Money
from contracts.payments import CapturePayment, ClosePaymentSession, CreatePaymentSession, RefundPayment
from contracts.psp import (
    PspDisputeUpdated,
    PspOutcomeUnknown,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentFailed,
    PspPaymentHeld,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspRefundRefused,
    PspRefundUpdated,
    PspSessionCreated,
    PspSessionFailed,
    PspSessionOpen,
)
from payment_service.payment.state import Payment


@dataclass(frozen=True, slots=True)
class PollDue:
    """The sweeper found that the next poll is due."""


@dataclass(frozen=True, slots=True)
class HeldSessionEvent:
    """A PSP event that names this payment in its metadata, which can be edited at the PSP: it counts only if the
    payment holds the event's session."""

    event: "PspReport"

    def of(self, payment: Payment | None) -> "PspReport":
        """The event. Raises SessionNotHeldError."""
        if payment is None or not payment.knows(self.event.psp_reference):
            raise SessionNotHeldError(self.event)
        return self.event


UnpaidReport = (
    PspSessionOpen
    | PspPaymentActionRequired
    | PspPaymentHeld
    | PspPaymentProcessing
    | PspPaymentFailed
    | PspPaymentCanceled
)
PspReport = UnpaidReport | PspPaymentSucceeded | PspRefundUpdated | PspDisputeUpdated
PaymentMessage = (
    CreatePaymentSession
    | CapturePayment
    | ClosePaymentSession
    | RefundPayment
    | ErasePayment
    | PspSessionCreated
    | PspSessionFailed
    | PspOutcomeUnknown
    | PspRefundRefused
    | PspReport
)
PaymentInput = PaymentMessage | PollDue


class SessionNotHeldError(Exception):
    """The payment that an event names does not hold the event's session."""

    def __init__(self, event: PspReport) -> None:
        super().__init__(f"{event.kind} names {event.payment_id}, which does not hold {event.psp_reference}")


class UnknownPaymentError(PermanentError):
    """A command or event concerns a payment that does not exist."""

    def __init__(self, message: PaymentMessage) -> None:
        super().__init__(f"{message.kind} for {message.payment_id}, which this service has never recorded")


class AmountChangedError(PermanentError):
    """A request for a session has another amount than the payment."""

    def __init__(self, payment: Payment, asked: Money) -> None:
        super().__init__(
            f"{payment.payment_id} is about {readable(payment.amount)}, now {readable(asked)} is asked: "
            "an order's total never changes"
        )


class ClosedBeforeCreatedError(TransientError):
    """ClosePaymentSession overtook CreatePaymentSession: it is retried until that has arrived."""

    def __init__(self, message: ClosePaymentSession) -> None:
        super().__init__(f"{message.kind} for {message.payment_id} came before the payment itself")
