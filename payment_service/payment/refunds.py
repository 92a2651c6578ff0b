"""Refunds: requested by staff or by the order itself, or made in the PSP's dashboard."""

from datetime import datetime

from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from contracts.ids import RefundId
from contracts.money import Money, unrefundable
from contracts.payments import (
    PaymentRefunded,
    PaymentRefundFailed,
    RefundPayment,
    RefundStage,
)
from contracts.psp import (
    PspPaymentSucceeded,
    PspRefundRefused,
    PspRefundState,
    PspRefundUpdated,
)
from payment_service.payment import psp_requests
from payment_service.payment.state import Payment, Refund

_STAGE_OF = {
    PspRefundState.PENDING: RefundStage.PENDING,
    PspRefundState.SUCCEEDED: RefundStage.SUCCEEDED,
    PspRefundState.FAILED: RefundStage.FAILED,
}


def refund_asked(payment: Payment, command: RefundPayment, now: datetime) -> Decision[Payment]:
    known = _refund(payment, command.refund_id)
    if known is not None and known.stage is RefundStage.REQUESTED:
        # Repeated because it had no outcome: under the same id, so that the PSP cannot make it twice.
        asked = _with(payment, known.model_copy(update={"asked_at": now, "unresolved": False}))
        return Applied(asked.model_copy(update={"polls": 0}), (psp_requests.create_refund(asked, known),))
    if known is not None:
        return Applied(payment, (_event(payment, known),))
    reference, left = _charge_of(payment, command)
    refund = Refund(
        refund_id=command.refund_id,
        psp_reference=reference or "",
        amount=command.amount,
        stage=RefundStage.REQUESTED,
        repeats=command.repeats,
        reason=command.reason,
        asked_at=now,
    )
    problem = unrefundable(command.amount, left)
    if reference is None or problem is not None:
        detail = problem or "nothing was paid"
        return _recorded(payment, refund.model_copy(update={"stage": RefundStage.FAILED, "detail": detail}))
    asked = _with(payment, refund).model_copy(update={"polls": 0})
    return Applied(asked, (psp_requests.create_refund(asked, refund),))


def _charge_of(payment: Payment, command: RefundPayment) -> tuple[str | None, Money]:
    """The charge to refund and the rest of it: the order's charge, or that of the refund being repeated."""
    repeated = _refund(payment, command.repeats) if command.repeats else None
    if repeated is None or not payment.is_second_charge(repeated.psp_reference):
        return payment.paid_reference, payment.refundable
    is_free = all(
        refund.stage is RefundStage.FAILED
        for refund in payment.refunds
        if refund.psp_reference == repeated.psp_reference
    )
    return repeated.psp_reference, repeated.amount if is_free else Money.zero(repeated.amount.currency)


def refund_reported(payment: Payment, report: PspRefundUpdated) -> Decision[Payment]:
    """A report about our refund or one made in the PSP's dashboard. Only a settled refund may go back, to failed."""
    stage = _STAGE_OF[report.state]
    refund_id, doubles = _identity(payment, report)
    known = _refund(payment, refund_id)
    if known is not None:
        if known.stage is stage and (known.psp_refund_id or not report.psp_refund_id):
            return Ignored(f"the refund is {stage} already")
        backwards = (known.stage, stage) == (RefundStage.SUCCEEDED, RefundStage.PENDING)
        if (known.stage is RefundStage.FAILED and stage is not RefundStage.FAILED) or backwards:
            return Stale(f"the refund is {known.stage} already")
    reported = Refund(
        refund_id=refund_id,
        psp_reference=report.psp_reference,
        amount=report.amount,
        stage=stage,
        detail=report.detail,
        psp_refund_id=report.psp_refund_id,
        doubles=doubles,
        repeats=known.repeats if known else None,
        reason=known.reason if known else "",
        asked_at=known.asked_at if known else report.occurred_at,
    )
    return _recorded(payment, reported)


def _identity(payment: Payment, report: PspRefundUpdated) -> tuple[RefundId, RefundId | None]:
    """The refund a report concerns, and the refund it duplicates if the PSP has made two under the same id.

    A refund that the PSP refused and made after all is such a duplicate: staff may have repeated it since.
    The PSP's own id decides if it is known: our id is in the refund's metadata, which can be edited at the PSP.
    """
    for refund in payment.refunds:
        if report.psp_refund_id and refund.psp_refund_id == report.psp_refund_id:
            return refund.refund_id, refund.doubles
    known = _refund(payment, report.refund_id)
    if known is None or not report.psp_refund_id or known.psp_refund_id == report.psp_refund_id:
        return report.refund_id, None
    was_refused = known.stage is RefundStage.FAILED and report.state is not PspRefundState.FAILED
    if not known.psp_refund_id and not was_refused:
        return report.refund_id, None
    return RefundId(f"ref_psp_{report.psp_refund_id}"), report.refund_id


def refund_refused(payment: Payment, event: PspRefundRefused) -> Decision[Payment]:
    known = _refund(payment, event.refund_id)
    if known is None or known.stage is not RefundStage.REQUESTED:
        return Stale("the refund is not waiting for an answer")
    return _recorded(payment, known.model_copy(update={"stage": RefundStage.FAILED, "detail": event.detail}))


def refund_duplicate_charge(payment: Payment, report: PspPaymentSucceeded, now: datetime) -> Decision[Payment]:
    """A second session was paid as well: it is refunded in full."""
    refund_id = RefundId(f"ref_{payment.payment_id.removeprefix('pay_')}_twice_{report.psp_reference}")
    if _refund(payment, refund_id) is not None:
        return Ignored("the second charge is being refunded already")
    refund = Refund(
        refund_id=refund_id,
        psp_reference=report.psp_reference,
        amount=report.amount_received,
        stage=RefundStage.REQUESTED,
        reason="the guest paid twice",
        asked_at=now,
    )
    asked = _with(payment, refund).model_copy(update={"polls": 0})
    return Applied(asked, (psp_requests.create_refund(asked, refund),))


def refunds_seen_before_payment(payment: Payment) -> tuple[Outgoing, ...]:
    """Events of refunds that were reported before the success, to be emitted after it."""
    return tuple(
        _event(payment, refund) for refund in payment.refunds if refund.psp_reference == payment.paid_reference
    )


def _recorded(payment: Payment, refund: Refund) -> Decision[Payment]:
    recorded = _with(payment, refund).model_copy(update={"fact_no": payment.fact_no + 1})
    if payment.paid_reference is None and refund.psp_reference:
        return Applied(recorded)  # emitted later, by `refunds_seen_before_payment`
    return Applied(recorded, (_event(recorded, refund),))


def _with(payment: Payment, refund: Refund) -> Payment:
    others = tuple(other for other in payment.refunds if other.refund_id != refund.refund_id)
    return payment.model_copy(update={"refunds": (*others, refund)})


def _event(payment: Payment, refund: Refund) -> PaymentRefunded | PaymentRefundFailed:
    about = {
        "order_id": payment.order_id,
        "payment_id": payment.payment_id,
        "fact_no": payment.fact_no,
        "refund_id": refund.refund_id,
        "refunded": payment.refunded(RefundStage.SUCCEEDED),
        "pending": payment.refunded(RefundStage.REQUESTED, RefundStage.PENDING),
        "amount": refund.amount,
        "is_second_charge": payment.is_second_charge(refund.psp_reference),
    }
    if refund.stage is RefundStage.FAILED:
        return PaymentRefundFailed.model_validate({**about, "detail": refund.detail or "the PSP could not refund it"})
    return PaymentRefunded.model_validate({**about, "doubles": refund.doubles, "stage": refund.stage})


def _refund(payment: Payment, refund_id: RefundId) -> Refund | None:
    return next((refund for refund in payment.refunds if refund.refund_id == refund_id), None)
