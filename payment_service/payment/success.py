"""The PSP reports that it was paid: believed once it matches what was asked."""

from datetime import datetime

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from contracts.payments import PaymentMismatched, PaymentSucceeded
from contracts.psp import PspPaymentEvent, PspPaymentSucceeded
from payment_service.payment import psp_requests, refunds
from payment_service.payment.polling import resolved
from payment_service.payment.state import Payment, PaymentStage

CLAIMS_KEPT = 20


def succeeded(payment: Payment, report: PspPaymentSucceeded, now: datetime) -> Decision[Payment]:
    """A success counts in every status, provided that it matches the request. A paid session need not be closed."""
    payment = payment.model_copy(update={"unclosed": without(payment.unclosed, report.psp_reference)})
    if payment.paid_reference is not None:
        if report.psp_reference != payment.paid_reference:
            return refunds.refund_duplicate_charge(payment, report, now)
        return Ignored(f"the payment is {payment.status} already")
    received = resolved(payment).model_copy(
        update={
            "received": report.amount_received,
            "paid_reference": report.psp_reference,
            "latest_fact_at": report.occurred_at,
        }
    )
    if report.amount_received != payment.expected:
        return mismatched(
            received, f"received {readable(report.amount_received)}, asked for {readable(payment.expected)}"
        )
    if payment.session is not None and report.livemode != payment.session.livemode:
        return mismatched(received, f"livemode is {report.livemode}, the session's was {payment.session.livemode}")
    succeeded = received.model_copy(update={"status": PaymentStage.SUCCEEDED})
    messages = (
        success_of(succeeded, report.occurred_at),
        *refunds.refunds_seen_before_payment(succeeded),
        *_close_other(payment, report),
    )
    return Applied(succeeded, messages)


def claimed(payment: Payment, report: PspPaymentEvent, now: datetime) -> Decision[Payment]:
    """A report about a session that this payment does not hold.

    Its metadata names the payment, but anyone with access to the PSP's dashboard can write that. A success is verified
    with our own key; the PSP's answer is adopted while the payment has no session yet, as after a restore of the store,
    and is otherwise for a person to decide.
    """
    reference = report.psp_reference
    if not isinstance(report, PspPaymentSucceeded):
        return Stale("a report about a session that this payment does not hold")
    if not report.is_answer:
        if reference in payment.claimed:
            return Ignored("the PSP was asked about this session already")
        claimed = payment.model_copy(update={"claimed": (*payment.claimed, reference)[-CLAIMS_KEPT:]})
        return Applied(claimed, (psp_requests.retrieve(payment, reference, is_held=False),))
    if payment.paid_reference is not None:
        return Ignored(f"the payment is {payment.status} already; the audit names what was paid beside it")
    held = payment.model_copy(update={"earlier_sessions": (*payment.earlier_sessions, reference)})
    if payment.is_unpayable:
        return succeeded(held, report, now)
    received = {"received": report.amount_received, "paid_reference": reference}
    detail = f"{reference} was paid and names this payment in its metadata, but was not opened for it"
    decision = mismatched(resolved(held).model_copy(update=received), detail)
    return Applied(decision.state, (*decision.messages, *_close_other(payment, report)))


def _close_other(payment: Payment, report: PspPaymentSucceeded) -> tuple[Outgoing, ...]:
    if payment.session is None or payment.session.psp_reference == report.psp_reference:
        return ()
    return (psp_requests.close(payment, payment.session.psp_reference),)


def mismatched(payment: Payment, detail: str) -> Applied[Payment]:
    event = PaymentMismatched(
        order_id=payment.order_id, payment_id=payment.payment_id, detail=detail, received=payment.received
    )
    mismatched = payment.model_copy(update={"status": PaymentStage.MISMATCHED})
    return Applied(mismatched, (event, *refunds.refunds_seen_before_payment(mismatched)))


def success_of(payment: Payment, paid_at: datetime | None = None) -> PaymentSucceeded:
    amount = payment.received or payment.expected
    return PaymentSucceeded(order_id=payment.order_id, payment_id=payment.payment_id, amount=amount, paid_at=paid_at)


def without(references: tuple[str, ...], gone: str) -> tuple[str, ...]:
    return tuple(reference for reference in references if reference != gone)
