"""A payment: its frozen state, and everything that can happen to it. `decide.py` decides what follows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from chassis.amounts import readable
from chassis.decision import State
from chassis.errors import PermanentError
from contracts.ids import OrderId, PaymentId, RefundId
from contracts.money import Money
from contracts.payments import ClosePaymentSession, CreatePaymentSession, RefundPayment, RefundStage
from contracts.psp import (
    PspDisputeState,
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


class PaymentStage(StrEnum):
    """Where a payment stands with the PSP."""

    CREATED = "created"
    SESSION_OPEN = "session_open"
    ACTION_REQUIRED = "action_required"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    MISMATCHED = "mismatched"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class PspSession(_Value):
    """What the PSP opened for us."""

    psp_reference: str
    sealed_client_secret: str
    livemode: bool


class Attempt(_Value):
    """One attempt to pay that failed."""

    at: datetime
    code: str
    detail: str


class Refund(_Value):
    """Money given back, or asked to be."""

    refund_id: RefundId
    psp_reference: str
    amount: Money
    stage: RefundStage
    detail: str = ""
    psp_refund_id: str = ""
    """The PSP's own id, once it has named it."""
    doubles: RefundId | None = None
    """The refund under whose id the PSP has made this one as well: money went back twice."""
    repeats: RefundId | None = None
    """The failed refund that this one takes the place of."""
    reason: str = ""
    asked_at: datetime | None = None
    """When it was asked, or first heard of; None for refunds of before this was kept."""
    unresolved: bool = False
    """It has stayed where it is for so long that the order was told."""


class Dispute(_Value):
    """A guest's bank asking for the money."""

    dispute_id: str
    amount: Money
    state: PspDisputeState
    status: str = ""
    """The PSP's own word for the state."""
    psp_reference: str = ""
    """The session whose charge is disputed; empty in what older versions wrote."""
    reported_at: datetime | None = None
    """By the PSP's clock; none in what older versions wrote."""


class Payment(State):
    """The state of one payment."""

    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    status: PaymentStage
    asked_at: datetime | None = None
    request_no: int = 0
    description: str | None = None
    """Of the first request for a session: a session that is asked for again has the same. None in older documents."""
    sealed_receipt_email: str | None = None
    """Of the request that opened the current session: only the PSP adapter can open it."""
    session_no: int = 1
    session: PspSession | None = None
    earlier_sessions: tuple[str, ...] = ()
    received: Money | None = None
    paid_reference: str | None = None
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    latest_fact_at: datetime | None = None
    fact_no: int = 0
    before_unknown: PaymentStage | None = None
    unknown_because: str = ""
    """What the PSP said, or did not, when it was asked in vain for the first time."""
    is_refused: bool = False
    """The PSP answers, and refuses to close or show the session: it does not know its id, say."""
    polls: int = 0
    """Questions in a row that were not answered."""
    claimed: tuple[str, ...] = ()
    """Sessions that this payment does not hold and an event claimed to have paid it: the PSP was asked about them."""
    unclosed: tuple[str, ...] = ()
    """Sessions whose client secret was given to no guest, and which the PSP has not closed yet."""

    @property
    def needs_attention(self) -> bool:
        """A refund has not settled yet."""
        return any(refund.stage in (RefundStage.REQUESTED, RefundStage.PENDING) for refund in self.refunds)

    @property
    def summary(self) -> str:
        return str(self.status)

    @property
    def is_unpayable(self) -> bool:
        """The PSP has not named a session yet: no guest has a client secret, so this payment can be closed at once."""
        stage = self.before_unknown if self.status is PaymentStage.UNKNOWN else self.status
        return self.session is None and stage in (PaymentStage.CREATED, PaymentStage.CLOSING)

    def knows(self, psp_reference: str) -> bool:
        """Whether this is a session of the payment, of now or earlier."""
        current = self.session.psp_reference if self.session else None
        return psp_reference in (current, self.paid_reference, *self.earlier_sessions)

    def is_second_charge(self, psp_reference: str) -> bool:
        """Whether this session was paid although another one had paid for the order."""
        return self.paid_reference is not None and psp_reference not in (self.paid_reference, "")

    def refunded(self, *stages: RefundStage) -> Money:
        """The sum of the refunds of what was paid that are in one of these stages."""
        currency = (self.received or self.amount).currency
        amounts = (
            refund.amount
            for refund in self.refunds
            if refund.stage in stages and refund.psp_reference == self.paid_reference
        )
        return sum(amounts, Money.zero(currency))

    @property
    def lost(self) -> Money:
        """What the guest's bank has taken back of what was paid, at most all of it.

        A dispute in another currency counts as all of it: what it took of ours is only known from the PSP's books.
        """
        received = self.received or Money.zero(self.amount.currency)
        amounts = (
            dispute.amount.in_hundredths if dispute.amount.currency == received.currency else received.in_hundredths
            for dispute in self.disputes
            if dispute.state is PspDisputeState.LOST and dispute.psp_reference in ("", self.paid_reference)
        )
        return Money.of_hundredths(min(received.in_hundredths, sum(amounts)), received.currency)

    @property
    def refundable(self) -> Money:
        """What the PSP holds and no refund has asked for."""
        if self.received is None:
            return Money.zero(self.amount.currency)
        asked = self.refunded(RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED)
        left = self.received - asked - self.lost
        return left if left.in_hundredths > 0 else Money.zero(left.currency)


@dataclass(frozen=True, slots=True)
class PollDue:
    """The sweeper found that it is time to ask the PSP again."""


@dataclass(frozen=True, slots=True)
class HeldSessionEvent:
    """An event of the PSP that names this payment in its metadata, which can be changed at the PSP: it counts only if
    the payment holds the session that the event is about."""

    event: "PspReport"

    def of(self, payment: Payment | None) -> "PspReport":
        """The event. Raises SessionNotHeldError."""
        if payment is None or not payment.knows(self.event.psp_reference):
            raise SessionNotHeldError(self.event)
        return self.event


PspReport = (
    PspSessionOpen
    | PspPaymentActionRequired
    | PspPaymentHeld
    | PspPaymentProcessing
    | PspPaymentFailed
    | PspPaymentSucceeded
    | PspPaymentCanceled
    | PspRefundUpdated
    | PspDisputeUpdated
)
PaymentMessage = (
    CreatePaymentSession
    | ClosePaymentSession
    | RefundPayment
    | PspSessionCreated
    | PspSessionFailed
    | PspOutcomeUnknown
    | PspRefundRefused
    | PspReport
)
PaymentInput = PaymentMessage | PollDue


class SessionNotHeldError(Exception):
    """The payment that an event names does not hold the session it is about."""

    def __init__(self, event: PspReport) -> None:
        super().__init__(f"{event.kind} names {event.payment_id}, which does not hold {event.psp_reference}")


class UnknownPaymentError(PermanentError):
    """A fact or command about a payment that does not exist."""

    def __init__(self, message: PaymentMessage) -> None:
        super().__init__(f"{message.kind} for {message.payment_id}, which this service has never recorded")


class AmountChangedError(PermanentError):
    """A second request for a session asks for another amount than the first."""

    def __init__(self, payment: Payment, asked: Money) -> None:
        super().__init__(
            f"{payment.payment_id} is about {readable(payment.amount)}, now {readable(asked)} is asked: "
            "an order's total never changes"
        )
