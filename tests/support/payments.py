"""Given: messages and payments in each status, for tests of the payment table."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.decision import Applied
from contracts.erasure import ErasePayment
from contracts.ids import OrderId, RefundId, payment_id_of
from contracts.message import OrderCommand
from contracts.money import Money
from contracts.payments import CapturePayment, ClosePaymentSession, CreatePaymentSession, RefundPayment
from contracts.psp import (
    CreatePspSession,
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
    PspRefundState,
    PspRefundUpdated,
    PspSessionCreated,
    PspSessionFailed,
    PspSessionOpen,
    RetrievePspSession,
)
from payment_service.payment.decide import decide
from payment_service.payment.inputs import PaymentInput
from payment_service.payment.state import Payment, PaymentStage

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ORDER_ID = OrderId("ord_" + "a" * 26)
PAYMENT_ID = payment_id_of(ORDER_ID)
IDS: dict[str, Any] = {"order_id": ORDER_ID, "payment_id": PAYMENT_ID}
AMOUNT = Money(amount=4800, currency="EUR")
REFERENCE = "pi_first"
SEALED = "gAAAA-sealed-client-secret"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def _of_psp(seconds: float, reference: str = REFERENCE) -> dict[str, Any]:
    return {**IDS, "psp_reference": reference, "livemode": True, "occurred_at": at(seconds)}


# Commands


def create(
    amount: Money = AMOUNT,
    *,
    asked_at: datetime | None = None,
    request_no: int | None = None,
    description: str | None = None,
    sealed_receipt_email: str | None = None,
) -> CreatePaymentSession:
    return CreatePaymentSession(
        **IDS,
        amount=amount,
        asked_at=asked_at,
        request_no=request_no,
        description=description,
        sealed_receipt_email=sealed_receipt_email,
    )


def capture(amount: Money = AMOUNT) -> CapturePayment:
    return CapturePayment(**IDS, amount=amount)


def authorised(seconds: float = 1, *, capture_before: datetime | None = None) -> PspPaymentHeld:
    """As for a payment that is captured later."""
    return PspPaymentHeld(
        **_of_psp(seconds),
        is_authorised_only=True,
        detail="authorised",
        authorised=AMOUNT,
        capture_before=capture_before,
    )


def erase() -> ErasePayment:
    return ErasePayment(**IDS, pseudonym="erased-5b1c0e7a9d3f2846")


def close() -> ClosePaymentSession:
    return ClosePaymentSession(**IDS)


# Reports of the PSP


def session_created(
    session_no: int = 1, *, reference: str = REFERENCE, amount: Money = AMOUNT, livemode: bool = True
) -> PspSessionCreated:
    return PspSessionCreated(
        **IDS,
        session_no=session_no,
        psp_reference=reference,
        amount=amount,
        livemode=livemode,
        sealed_client_secret=SEALED,
    )


def session_failed(session_no: int = 1) -> PspSessionFailed:
    return PspSessionFailed(**IDS, session_no=session_no, code="api_key_expired", detail="Sorry.")


def held(seconds: float = 1, *, is_authorised_only: bool = False) -> PspPaymentHeld:
    return PspPaymentHeld(**_of_psp(seconds), is_authorised_only=is_authorised_only, detail="look at it")


def action_required(
    seconds: float = 1, *, reference: str = REFERENCE, payable_until: datetime | None = None
) -> PspPaymentActionRequired:
    return PspPaymentActionRequired(**_of_psp(seconds, reference), payable_until=payable_until)


def processing(seconds: float = 1, *, reference: str = REFERENCE) -> PspPaymentProcessing:
    return PspPaymentProcessing(**_of_psp(seconds, reference))


def failed(
    seconds: float = 1, *, reference: str = REFERENCE, code: str = "card_declined", detail: str = "Declined."
) -> PspPaymentFailed:
    return PspPaymentFailed(**_of_psp(seconds, reference), code=code, detail=detail)


def succeeded(
    seconds: float = 1, *, reference: str = REFERENCE, amount: Money = AMOUNT, livemode: bool = True
) -> PspPaymentSucceeded:
    return PspPaymentSucceeded(
        **IDS, psp_reference=reference, livemode=livemode, occurred_at=at(seconds), amount_received=amount
    )


def canceled(seconds: float = 1, *, reference: str = REFERENCE) -> PspPaymentCanceled:
    return PspPaymentCanceled(**_of_psp(seconds, reference))


def session_open(seconds: float = 1, *, reference: str = REFERENCE) -> PspSessionOpen:
    return PspSessionOpen(**_of_psp(seconds, reference))


def unanswered(asked: type[OrderCommand] = CreatePspSession) -> PspOutcomeUnknown:
    return PspOutcomeUnknown(**IDS, asked=asked.wire_kind(), detail="timed out")


def session_not_known() -> PspOutcomeUnknown:
    """The PSP answers, and does not know the session."""
    detail = "No such payment_intent: 'pi_first'"
    return unanswered(RetrievePspSession).model_copy(update={"detail": detail, "is_refused": True})


# Refunds and disputes

REFUND_ID = RefundId("ref_" + "a" * 26)


def refund(amount: int = 4800, refund_id: RefundId = REFUND_ID, currency: str = "EUR") -> RefundPayment:
    return RefundPayment(**IDS, refund_id=refund_id, amount=Money(amount=amount, currency=currency), reason="cancelled")


def refund_updated(
    state: PspRefundState = PspRefundState.SUCCEEDED,
    *,
    amount: int = 4800,
    refund_id: RefundId = REFUND_ID,
    reference: str = REFERENCE,
) -> PspRefundUpdated:
    return PspRefundUpdated(
        **_of_psp(2, reference), refund_id=refund_id, amount=Money(amount=amount, currency="EUR"), state=state
    )


def refund_refused(refund_id: RefundId = REFUND_ID) -> PspRefundRefused:
    return PspRefundRefused(**IDS, refund_id=refund_id, detail="no such charge")


def dispute(
    state: PspDisputeState = PspDisputeState.OPEN,
    dispute_id: str = "dp_1",
    *,
    seconds: float = 3,
    amount: Money = AMOUNT,
    status: str = "",
    reference: str = REFERENCE,
) -> PspDisputeUpdated:
    return PspDisputeUpdated(
        **_of_psp(seconds, reference), dispute_id=dispute_id, amount=amount, state=state, status=status
    )


# Payments


def after(payment: Payment | None, *messages: PaymentInput) -> Payment:
    """The payment after these messages, each of which must apply."""
    for message in messages:
        decision = decide(payment, message, NOW)
        assert isinstance(decision, Applied), f"{message} ended as {decision}"
        payment = decision.state
    assert payment is not None
    return payment


def created() -> Payment:
    return after(None, create())


def payable() -> Payment:
    """Its session is open and unpaid."""
    return after(created(), session_created())


def capturable() -> Payment:
    """Its session is open; what is paid there is only authorised."""
    return payable().model_copy(update={"is_captured_later": True})


def closing() -> Payment:
    return after(payable(), close())


def closing_without_session() -> Payment:
    """As a version before left it that was asked to close while the PSP was still opening the session."""
    return created().model_copy(update={"status": PaymentStage.CLOSING})


def closed() -> Payment:
    return after(closing(), canceled(0))


def in_status(status: PaymentStage) -> Payment:
    """A payment in this status, led there by messages."""
    match status:
        case PaymentStage.CREATED:
            return created()
        case PaymentStage.SESSION_OPEN:
            return payable()
        case PaymentStage.ACTION_REQUIRED:
            return after(payable(), action_required(0))
        case PaymentStage.PROCESSING:
            return after(payable(), processing(0))
        case PaymentStage.AUTHORISED:
            return after(capturable(), authorised(0))
        case PaymentStage.CAPTURING:
            return after(capturable(), authorised(0), capture())
        case PaymentStage.SUCCEEDED:
            return after(payable(), succeeded(0))
        case PaymentStage.CLOSING:
            return closing()
        case PaymentStage.CLOSED:
            return closed()
        case PaymentStage.FAILED:
            return after(created(), session_failed())
        case PaymentStage.MISMATCHED:
            return after(payable(), succeeded(0, livemode=False))
        case PaymentStage.UNKNOWN:
            return after(payable(), unanswered(RetrievePspSession))
