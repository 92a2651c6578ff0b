"""The session in which the guest can pay: requested, opened, reported about by the PSP, paid, closed.

`decide.py` says when which of these functions counts.
"""

from datetime import datetime

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from contracts.payments import (
    CreatePaymentSession,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentProcessing,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentUnresolved,
)
from contracts.psp import (
    PspPaymentEvent,
    PspPaymentFailed,
    PspPaymentHeld,
    PspSessionCreated,
    PspSessionFailed,
)
from contracts.psp_accounts import AtPspAccount
from payment_service.payment import psp_requests
from payment_service.payment.inputs import PaymentInput, UnpaidReport
from payment_service.payment.polling import resolved
from payment_service.payment.state import Attempt, Payment, PaymentStage, PspSession
from payment_service.payment.success import mismatched, without

ATTEMPTS_KEPT = 20

_P = PaymentStage


def requested(message: CreatePaymentSession) -> Decision[Payment]:
    """The first request: the payment begins with it."""
    payment = Payment(
        payment_id=message.payment_id,
        order_id=message.order_id,
        amount=message.amount,
        status=_P.CREATED,
        asked_at=message.asked_at,
        request_no=message.request_no or 0,
        description=message.description,
        sealed_receipt_email=message.sealed_receipt_email,
        psp_account=message.psp_account,
        is_captured_later=message.is_captured_later,
    )
    return Applied(payment, (psp_requests.create(payment),))


def requested_before_opened(payment: Payment, message: CreatePaymentSession) -> Decision[Payment]:
    asked = _with_request(payment, message)
    return Applied(asked, (psp_requests.create(asked),))


def requested_while_open(payment: Payment, message: CreatePaymentSession) -> Decision[Payment]:
    return Applied(_with_request(payment, message), _created(payment))


def requested_after_closed(payment: Payment, message: CreatePaymentSession) -> Decision[Payment]:
    if _had(payment, message):
        return Stale("a request whose session was closed already")
    receipt = {"sealed_receipt_email": message.sealed_receipt_email}
    return _opened_again(_with_request(payment, message).model_copy(update=receipt))


def closing(payment: Payment) -> Decision[Payment]:
    """The PSP is asked to close it; what the PSP does not know yet is closed at once."""
    if payment.is_unpayable:
        return closed(payment)
    field = "before_unknown" if payment.status is _P.UNKNOWN else "status"
    asked = payment.model_copy(update={field: _P.CLOSING})
    return Applied(asked, psp_requests.close_current(asked))


def heard(payment: Payment, message: PaymentInput) -> Payment:
    """The payment once the PSP's answer or report counts: no longer unknown, and no older report counts."""
    if isinstance(message, PspSessionCreated | PspSessionFailed):
        return resolved(payment)
    if isinstance(message, UnpaidReport) and payment.knows(message.psp_reference) and not overtaken(payment, message):
        return resolved(payment.model_copy(update={"latest_fact_at": message.occurred_at}))
    return payment


def overtaken(payment: Payment, report: UnpaidReport) -> str | None:
    """Why a report about a session does not count, or None."""
    if not _is_current(payment, report):
        return "a report about an earlier session"
    if payment.latest_fact_at is not None and report.occurred_at < payment.latest_fact_at:
        return "overtaken by a newer report"
    return None


def superfluous_closed(payment: Payment, psp_reference: str) -> Decision[Payment]:
    return Applied(payment.model_copy(update={"unclosed": without(payment.unclosed, psp_reference)}))


def _with_request(payment: Payment, message: CreatePaymentSession) -> Payment:
    """The payment with the latest request for a session; unchanged by an earlier one."""
    times = [at for at in (payment.asked_at, message.asked_at) if at is not None]
    latest = {"asked_at": max(times, default=None), "request_no": max(payment.request_no, message.request_no or 0)}
    return payment.model_copy(update=latest)


def _had(payment: Payment, message: CreatePaymentSession) -> bool:
    """Whether a request is not newer than the payment's latest. Requests of older orders carry only a time."""
    if message.request_no is not None:
        return message.request_no <= payment.request_no
    return message.asked_at is not None and _with_request(payment, message) == payment


def _opened_again(payment: Payment) -> Decision[Payment]:
    """One live session at a time: the previous one was closed or never opened."""
    left = (payment.session.psp_reference,) if payment.session else ()
    again = payment.model_copy(
        update={
            "status": _P.CREATED,
            "session_no": payment.session_no + 1,
            "session": None,
            "earlier_sessions": (*payment.earlier_sessions, *left),
            "latest_fact_at": None,
            "capture_before": None,
            "to_capture": None,
        }
    )
    return Applied(again, (psp_requests.create(again),))


def opened(payment: Payment, event: PspSessionCreated) -> Decision[Payment]:
    session = PspSession(
        psp_reference=event.psp_reference,
        sealed_client_secret=event.sealed_client_secret,
        livemode=event.livemode,
        page_account=event.page_account,
    )
    opened = payment.model_copy(update={"session": session})
    if payment.status is _P.CLOSING:
        return Applied(opened, psp_requests.close_current(opened))
    if event.amount != payment.amount:
        return mismatched(
            opened, f"asked the PSP for {readable(payment.amount)}, it opened a session for {readable(event.amount)}"
        )
    if payment.status in (_P.CREATED, _P.FAILED):
        opened = opened.model_copy(update={"status": _P.SESSION_OPEN})
    return Applied(opened, _created(opened))


def superfluous(payment: Payment, event: PspSessionCreated) -> Decision[Payment]:
    """A late or repeated request opened a session that no guest will receive: it is closed at once."""
    sessions = {
        "earlier_sessions": (*payment.earlier_sessions, event.psp_reference),
        "unclosed": (*payment.unclosed, event.psp_reference),
        "polls": 0,
    }
    close = psp_requests.close(payment, event.psp_reference)
    return Applied(payment.model_copy(update=sessions), (close,))


def at_another_account(payment: Payment, message: AtPspAccount) -> Decision[Payment]:
    """The PSP's word about a payment counts only at the payment's own account.

    A session that was opened elsewhere, by an adapter of an older version, is closed there: no guest pays with it.
    """
    if isinstance(message, PspSessionCreated):
        return Applied(payment, (psp_requests.close_elsewhere(message),))
    return Ignored("a report of another account at the PSP")


def not_opened(payment: Payment, event: PspSessionFailed) -> Decision[Payment]:
    failed = PaymentSessionFailed(order_id=payment.order_id, payment_id=payment.payment_id, detail=event.detail)
    return Applied(payment.model_copy(update={"status": _P.FAILED}), (failed,))


def _created(payment: Payment) -> tuple[Outgoing, ...]:
    if payment.session is None:
        return ()
    return (
        PaymentSessionCreated(
            **payment.about_session,
            amount=payment.amount,
            sealed_client_secret=payment.session.sealed_client_secret,
            page_account=payment.session.page_account,
        ),
    )


def _is_current(payment: Payment, report: PspPaymentEvent) -> bool:
    """Whether a report concerns the current session or, before the PSP has named it, none of the earlier ones."""
    if payment.session is not None:
        return report.psp_reference == payment.session.psp_reference
    return report.psp_reference not in payment.earlier_sessions


def found_unpaid(payment: Payment, report: PspPaymentEvent, status: PaymentStage) -> Decision[Payment]:
    """Open and unpaid. Re-emits the last failure: the order may have seen *processing* after it.

    An attempt that the PSP no longer knows has failed; its event arrives after this report and is stale then.
    """
    found = payment.model_copy(update={"status": status, "polls": 0})
    if payment.status in (_P.PROCESSING, _P.ACTION_REQUIRED) and status is not payment.status:
        attempt = Attempt(at=report.occurred_at, code="not_settled", detail="The payment did not go through.")
        found = found.model_copy(update={"attempts": (*payment.attempts, attempt)[-ATTEMPTS_KEPT:]})
    if not found.attempts:
        return Applied(found)
    last = found.attempts[-1]
    event = PaymentFailed(**payment.about_session, code=last.code, detail=last.detail)
    return Applied(found, (event,))


def instructions_issued(payment: Payment, payable_until: datetime) -> Decision[Payment]:
    """Emitted at each report: the order may have seen the failure of an earlier attempt in between."""
    event = PaymentInstructionsIssued(**payment.about_session, payable_until=payable_until)
    return Applied(payment.model_copy(update={"status": _P.ACTION_REQUIRED}), (event,))


def held(payment: Payment, report: PspPaymentHeld) -> Decision[Payment]:
    """Partial payments wait for a person; an authorisation that was not asked for, or of another amount, is cancelled,
    and the order comes under review."""
    if not report.is_authorised_only:
        return mismatched(payment, report.detail)
    closing = payment.model_copy(update={"status": _P.CLOSING})
    detail = (
        f"{report.detail}, which was not asked for: its capture method or amount was changed at the PSP. The "
        "authorisation is cancelled, and nothing was charged"
    )
    event = PaymentUnresolved(order_id=payment.order_id, payment_id=payment.payment_id, detail=detail)
    return Applied(closing, (event, *psp_requests.close_current(closing)))


def attempt_failed(payment: Payment, report: PspPaymentFailed) -> Decision[Payment]:
    attempt = Attempt(at=report.occurred_at, code=report.code, detail=report.detail)
    failed = payment.model_copy(
        update={
            "status": _P.SESSION_OPEN if payment.session else _P.CREATED,
            "attempts": (*payment.attempts, attempt)[-ATTEMPTS_KEPT:],
        }
    )
    event = PaymentFailed(**payment.about_session, code=report.code, detail=report.detail)
    return Applied(failed, (event,))


def closed(payment: Payment) -> Decision[Payment]:
    settled = {"status": _P.CLOSED, "capture_before": None, "before_unknown": None, "is_refused": False, "polls": 0}
    closed = payment.model_copy(update=settled)
    return Applied(closed, (closure(closed),))


def closure(payment: Payment) -> PaymentSessionClosed:
    return PaymentSessionClosed(**payment.about_session)


def processing(payment: Payment, status: PaymentStage) -> Decision[Payment]:
    event = PaymentProcessing(**payment.about_session)
    return Applied(payment.model_copy(update={"status": status}), (event,))
