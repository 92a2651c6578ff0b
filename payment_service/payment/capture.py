"""A payment that is authorised first, and captured once the hotel has approved the order.

`decide.py` says when which of these functions counts.
"""

from datetime import timedelta

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Outgoing, Stale
from contracts.payments import CapturePayment, PaymentAuthorised, PaymentUnresolved
from contracts.psp import PspPaymentFailed, PspPaymentHeld, PspSessionOpen
from payment_service.payment import psp_requests
from payment_service.payment.inputs import AmountChangedError
from payment_service.payment.state import Payment, PaymentStage

LAPSES_AFTER = timedelta(days=7)
"""The time after which an authorisation lapses whose end the PSP does not name
(https://docs.stripe.com/payments/place-a-hold-on-a-payment-method)."""

_P = PaymentStage


def authorised(payment: Payment, report: PspPaymentHeld) -> Decision[Payment]:
    """The PSP is asked once when the authorisation lapses. What a poll finds is emitted again: the order may have lost
    it."""
    known = payment.capture_before
    until = report.capture_before or known or report.occurred_at + LAPSES_AFTER
    held = payment.model_copy(update={"status": _P.AUTHORISED, "capture_before": until})
    asked: tuple[Outgoing, ...] = ()
    if known is None and report.capture_before is None and not report.is_answer:
        asked = (psp_requests.retrieve(payment, report.psp_reference),)
    is_news = report.is_answer or until != known
    return Applied(held, (*(authorisation(held) if is_news else ()), *asked))


def authorisation(payment: Payment) -> tuple[PaymentAuthorised, ...]:
    """The event about the current authorisation, if there is one."""
    if payment.capture_before is None:
        return ()
    return (PaymentAuthorised(**payment.about_session, amount=payment.amount, capture_before=payment.capture_before),)


def asked(payment: Payment, message: CapturePayment) -> Decision[Payment]:
    """The hotel has approved the order. What the PSP does with the session tells whether it can be captured."""
    is_part = message.amount.currency == payment.amount.currency and (
        0 < message.amount.in_hundredths < payment.amount.in_hundredths
    )
    if message.amount != payment.amount and not is_part:
        raise AmountChangedError(payment, message.amount)
    if payment.session is None:
        detail = "an approved payment cannot be captured: the session that was authorised is not known any more"
        event = PaymentUnresolved(order_id=payment.order_id, payment_id=payment.payment_id, detail=detail)
        return Applied(payment, (event,))
    stage = payment.before_unknown if payment.status is _P.UNKNOWN else payment.status
    if stage is _P.CLOSING:
        return Stale("the payment is closing already")
    if stage is _P.CAPTURING and message.amount != payment.expected:
        return Stale(f"{readable(payment.expected)} of it are being captured already")
    field = "before_unknown" if payment.status is _P.UNKNOWN else "status"
    part = message.amount if is_part else None
    capturing = payment.model_copy(update={field: _P.CAPTURING, "to_capture": part})
    return Applied(capturing, (psp_requests.capture(capturing, payment.session.psp_reference),))


def lost(payment: Payment, report: PspPaymentFailed | PspSessionOpen) -> Decision[Payment]:
    """Nothing is authorised any more, or the capture failed: the session is closed, and the guest is not charged.

    The PSP's reports count in whole seconds: one of the same second may be older than the authorisation.
    """
    if isinstance(report, PspSessionOpen) and payment.latest_fact_at == report.occurred_at:
        return Stale("perhaps from before the authorisation")
    closing = payment.model_copy(update={"status": _P.CLOSING, "capture_before": None})
    return Applied(closing, psp_requests.close_current(closing))
