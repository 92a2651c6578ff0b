"""A payment, and the one function that decides what happens to it."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from chassis.decision import Applied, Decision, Ignored, Stale, State
from chassis.errors import PermanentError
from contracts.ids import OrderId, PaymentId
from contracts.money import Money
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    PaymentFailed,
    PaymentMismatched,
    PaymentProcessing,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
)
from contracts.psp import (
    ClosePspSession,
    CreatePspSession,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentEvent,
    PspPaymentFailed,
    PspPaymentProcessing,
    PspPaymentSucceeded,
    PspSessionCreated,
    PspSessionFailed,
)

ATTEMPTS_KEPT = 20


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
    MISMATCHED = "mismatched"


class PspSession(BaseModel):
    """What the PSP opened for us."""

    model_config = ConfigDict(frozen=True)

    psp_reference: str
    sealed_client_secret: str
    livemode: bool


class Attempt(BaseModel):
    """One attempt to pay that failed."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    code: str
    detail: str


class Payment(State):
    """The state of one payment."""

    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    description: str
    status: PaymentStage
    session_no: int = 1
    session: PspSession | None = None
    earlier_sessions: tuple[str, ...] = ()
    received: Money | None = None
    attempts: tuple[Attempt, ...] = ()
    latest_fact_at: datetime | None = None


PaymentInput = (
    CreatePaymentSession
    | ClosePaymentSession
    | PspSessionCreated
    | PspSessionFailed
    | PspPaymentActionRequired
    | PspPaymentProcessing
    | PspPaymentFailed
    | PspPaymentSucceeded
    | PspPaymentCanceled
)


class UnknownPaymentError(PermanentError):
    """A fact or command about a payment that does not exist."""

    def __init__(self, message: PaymentInput) -> None:
        super().__init__(f"{message.kind} for {message.payment_id}, which this service has never recorded")


class AmountChangedError(PermanentError):
    """A second request for a session asks for another amount than the first."""

    def __init__(self, payment: Payment, asked: Money) -> None:
        super().__init__(
            f"{payment.payment_id} is about {payment.amount}, now {asked} is asked: an order's total never changes"
        )


def decide(payment: Payment | None, message: PaymentInput, now: datetime) -> Decision[Payment]:
    """What `message` does to `payment` at `now`."""
    if payment is None:
        return _without_payment(message)
    if isinstance(message, PspPaymentEvent):
        return _reported(payment, message)
    match payment.status, message:
        case _, CreatePaymentSession(amount=amount) if amount != payment.amount:
            raise AmountChangedError(payment, amount)
        case PaymentStage.CREATED, CreatePaymentSession():
            return Applied(payment, (_ask_psp(payment),))
        case PaymentStage.SESSION_OPEN | PaymentStage.ACTION_REQUIRED, CreatePaymentSession():
            return Applied(payment, _session_created(payment))
        case PaymentStage.FAILED | PaymentStage.CLOSED, CreatePaymentSession():
            return _open_again(payment)
        case PaymentStage.SUCCEEDED, CreatePaymentSession() | ClosePaymentSession():
            return Applied(payment, (_succeeded(payment),))
        case PaymentStage.SUCCEEDED | PaymentStage.MISMATCHED | PaymentStage.CLOSED, PspSessionCreated():
            return Stale(f"the payment is {payment.status} already")
        case _, PspSessionCreated(session_no=no) if no == payment.session_no and payment.session is None:
            return _session_opened(payment, message)
        case PaymentStage.CREATED, PspSessionFailed(session_no=no) if no == payment.session_no:
            return _session_failed(payment, message)
        case PaymentStage.CLOSING, PspSessionFailed(session_no=no) if no == payment.session_no:
            return _closed(payment)
        case PaymentStage.FAILED | PaymentStage.CLOSED, ClosePaymentSession():
            return Applied(payment, (_closed_event(payment),))
        case PaymentStage.MISMATCHED, ClosePaymentSession():
            return Ignored("a person decides on this payment")
        case _, ClosePaymentSession():
            return _close(payment)
        case status, _:
            return Stale(f"the payment is {status} already")


def _without_payment(message: PaymentInput) -> Decision[Payment]:
    match message:
        case CreatePaymentSession():
            payment = Payment(
                payment_id=message.payment_id,
                order_id=message.order_id,
                amount=message.amount,
                description=message.description,
                status=PaymentStage.CREATED,
            )
            return Applied(payment, (_ask_psp(payment),))
        case _:
            raise UnknownPaymentError(message)


def _reported(payment: Payment, report: PspPaymentEvent) -> Decision[Payment]:
    """What the PSP reported. A success is believed in every status; anything else only while it is news."""
    if isinstance(report, PspPaymentSucceeded):
        return _success(payment, report)
    if not _is_current(payment, report):
        return Stale("a report about an earlier session")
    if payment.latest_fact_at is not None and report.occurred_at < payment.latest_fact_at:
        return Stale("overtaken by a newer report")
    payment = payment.model_copy(update={"latest_fact_at": report.occurred_at})
    match payment.status, report:
        case PaymentStage.SUCCEEDED | PaymentStage.CLOSED | PaymentStage.MISMATCHED | PaymentStage.FAILED, _:
            return Stale(f"the payment is {payment.status} already")
        case _, PspPaymentCanceled():
            return _closed(payment)
        case PaymentStage.CLOSING, PspPaymentProcessing():
            # It cannot be closed while it settles; the PSP's last word closes or confirms it.
            return Applied(payment, (_processing_event(payment),))
        case PaymentStage.CLOSING, PspPaymentFailed():
            return Applied(payment, _close_psp_session(payment))
        case PaymentStage.CLOSING, _:
            return Stale("the payment is closing already")
        case _, PspPaymentActionRequired():
            return Applied(payment.model_copy(update={"status": PaymentStage.ACTION_REQUIRED}))
        case _, PspPaymentProcessing():
            processing = payment.model_copy(update={"status": PaymentStage.PROCESSING})
            return Applied(processing, (_processing_event(payment),))
        case _, PspPaymentFailed():
            return _attempt_failed(payment, report)
        case _:
            return Ignored(f"no rule for {report.kind}")


def _is_current(payment: Payment, report: PspPaymentEvent) -> bool:
    """Whether a report is about the session of now. Before the PSP has named it, about none of those before."""
    if payment.session is not None:
        return report.psp_reference == payment.session.psp_reference
    return report.psp_reference not in payment.earlier_sessions


def _ask_psp(payment: Payment) -> CreatePspSession:
    return CreatePspSession(
        order_id=payment.order_id,
        payment_id=payment.payment_id,
        session_no=payment.session_no,
        amount=payment.amount,
        description=payment.description,
    )


def _open_again(payment: Payment) -> Decision[Payment]:
    """One live session at a time: the one before was closed or never came to be."""
    left = (payment.session.psp_reference,) if payment.session else ()
    again = payment.model_copy(
        update={
            "status": PaymentStage.CREATED,
            "session_no": payment.session_no + 1,
            "session": None,
            "earlier_sessions": (*payment.earlier_sessions, *left),
            "latest_fact_at": None,
        }
    )
    return Applied(again, (_ask_psp(again),))


def _session_opened(payment: Payment, event: PspSessionCreated) -> Decision[Payment]:
    session = PspSession(
        psp_reference=event.psp_reference,
        sealed_client_secret=event.sealed_client_secret,
        livemode=event.livemode,
    )
    opened = payment.model_copy(update={"session": session})
    if payment.status is PaymentStage.CLOSING:
        return Applied(opened, _close_psp_session(opened))
    if event.amount != payment.amount:
        return _mismatched(opened, f"asked the PSP for {payment.amount}, it opened a session for {event.amount}")
    if payment.status in (PaymentStage.CREATED, PaymentStage.FAILED):
        opened = opened.model_copy(update={"status": PaymentStage.SESSION_OPEN})
    return Applied(opened, _session_created(opened))


def _session_created(payment: Payment) -> tuple[PaymentSessionCreated, ...]:
    if payment.session is None:
        return ()
    return (
        PaymentSessionCreated(
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            amount=payment.amount,
            sealed_client_secret=payment.session.sealed_client_secret,
        ),
    )


def _session_failed(payment: Payment, event: PspSessionFailed) -> Decision[Payment]:
    failed = payment.model_copy(update={"status": PaymentStage.FAILED})
    told = PaymentSessionFailed(order_id=payment.order_id, payment_id=payment.payment_id, detail=event.detail)
    return Applied(failed, (told,))


def _attempt_failed(payment: Payment, report: PspPaymentFailed) -> Decision[Payment]:
    attempt = Attempt(at=report.occurred_at, code=report.code, detail=report.detail)
    failed = payment.model_copy(
        update={
            "status": PaymentStage.SESSION_OPEN if payment.session else PaymentStage.CREATED,
            "attempts": (*payment.attempts, attempt)[-ATTEMPTS_KEPT:],
        }
    )
    told = PaymentFailed(
        order_id=payment.order_id, payment_id=payment.payment_id, code=report.code, detail=report.detail
    )
    return Applied(failed, (told,))


def _success(payment: Payment, report: PspPaymentSucceeded) -> Decision[Payment]:
    if payment.status in (PaymentStage.SUCCEEDED, PaymentStage.MISMATCHED):
        return Ignored(f"the payment is {payment.status} already")
    received = payment.model_copy(update={"received": report.amount_received, "latest_fact_at": report.occurred_at})
    if report.amount_received != payment.amount:
        return _mismatched(received, f"received {report.amount_received}, asked for {payment.amount}")
    if payment.session is not None and report.livemode != payment.session.livemode:
        return _mismatched(received, f"livemode is {report.livemode}, the session's was {payment.session.livemode}")
    succeeded = received.model_copy(update={"status": PaymentStage.SUCCEEDED})
    return Applied(succeeded, (_succeeded(succeeded),))


def _succeeded(payment: Payment) -> PaymentSucceeded:
    return PaymentSucceeded(
        order_id=payment.order_id, payment_id=payment.payment_id, amount=payment.received or payment.amount
    )


def _mismatched(payment: Payment, detail: str) -> Decision[Payment]:
    told = PaymentMismatched(order_id=payment.order_id, payment_id=payment.payment_id, detail=detail)
    return Applied(payment.model_copy(update={"status": PaymentStage.MISMATCHED}), (told,))


def _close(payment: Payment) -> Decision[Payment]:
    closing = payment.model_copy(update={"status": PaymentStage.CLOSING})
    return Applied(closing, _close_psp_session(closing))


def _close_psp_session(payment: Payment) -> tuple[ClosePspSession, ...]:
    if payment.session is None:
        # The session is being opened right now; it is closed the moment the PSP names it.
        return ()
    return (
        ClosePspSession(
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            session_no=payment.session_no,
            psp_reference=payment.session.psp_reference,
        ),
    )


def _closed(payment: Payment) -> Decision[Payment]:
    closed = payment.model_copy(update={"status": PaymentStage.CLOSED})
    return Applied(closed, (_closed_event(closed),))


def _closed_event(payment: Payment) -> PaymentSessionClosed:
    return PaymentSessionClosed(order_id=payment.order_id, payment_id=payment.payment_id)


def _processing_event(payment: Payment) -> PaymentProcessing:
    return PaymentProcessing(order_id=payment.order_id, payment_id=payment.payment_id)
