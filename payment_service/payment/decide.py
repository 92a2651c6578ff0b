"""The payment's table of decisions, row by row.

PSP reports are trusted only where they match the request. Polling, refunds and disputes are decided in `polling.py`,
`refunds.py` and `disputes.py`.
"""

from datetime import datetime
from typing import assert_never

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Ignored, Outgoing, Stale
from chassis.errors import TransientError
from contracts.money import Money
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentMismatched,
    PaymentProcessing,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    PaymentUnresolved,
    RefundPayment,
)
from contracts.psp import (
    PspDisputeUpdated,
    PspOutcomeUnknown,
    PspPaymentActionRequired,
    PspPaymentCanceled,
    PspPaymentEvent,
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
from payment_service.payment import disputes, polling, refunds
from payment_service.payment.polling import Polls
from payment_service.payment.state import (
    AmountChangedError,
    Attempt,
    HeldSessionEvent,
    Payment,
    PaymentInput,
    PaymentStage,
    PollDue,
    PspSession,
    UnknownPaymentError,
)

ATTEMPTS_KEPT = 20
CLAIMS_KEPT = 20


class ClosedBeforeCreatedError(TransientError):
    """ClosePaymentSession overtook CreatePaymentSession: it is retried until that has arrived."""

    def __init__(self, message: ClosePaymentSession) -> None:
        super().__init__(f"{message.kind} for {message.payment_id} came before the payment itself")


_P = PaymentStage
_ATTEMPTING = (_P.PROCESSING, _P.ACTION_REQUIRED)
_CLOSED_OR_DONE = (_P.SUCCEEDED, _P.CLOSED, _P.MISMATCHED, _P.FAILED)

_SessionMessage = CreatePaymentSession | ClosePaymentSession | PspSessionCreated | PspSessionFailed
_UnpaidReport = (
    PspSessionOpen
    | PspPaymentActionRequired
    | PspPaymentHeld
    | PspPaymentProcessing
    | PspPaymentFailed
    | PspPaymentCanceled
)


def decide(
    payment: Payment | None, message: PaymentInput | HeldSessionEvent, now: datetime, polls: Polls = polling.DEFAULT
) -> Decision[Payment]:
    """Decide on `message`; every change sets the time of the next poll."""
    if isinstance(message, HeldSessionEvent):
        message = message.of(payment)
    decision = _without_payment(message) if payment is None else _decide(payment, message, now, polls)
    if isinstance(decision, Applied):
        return Applied(polling.with_next_poll(decision.state, now, polls), decision.messages)
    return decision


def _without_payment(message: PaymentInput) -> Decision[Payment]:
    match message:
        case CreatePaymentSession():
            payment = Payment(
                payment_id=message.payment_id,
                order_id=message.order_id,
                amount=message.amount,
                status=_P.CREATED,
                asked_at=message.asked_at,
                request_no=message.request_no or 0,
                description=message.description,
                sealed_receipt_email=message.sealed_receipt_email,
            )
            return Applied(payment, (polling.ask_session(payment),))
        case ClosePaymentSession():
            raise ClosedBeforeCreatedError(message)
        case PollDue():
            return Ignored("no such payment")
        case _:
            raise UnknownPaymentError(message)


def _decide(payment: Payment, message: PaymentInput, now: datetime, polls: Polls) -> Decision[Payment]:
    match message:
        case PollDue():
            return polling.poll(payment, now, polls)
        case PspOutcomeUnknown():
            return polling.psp_timed_out(payment, message)
        case RefundPayment():
            return refunds.refund_asked(payment, message, now)
        case PspRefundUpdated():
            return refunds.refund_reported(payment, message)
        case PspRefundRefused():
            return refunds.refund_refused(payment, message)
        case PspDisputeUpdated():
            return disputes.dispute_reported(payment, message)
        case PspPaymentEvent() if not payment.knows(message.psp_reference):
            return _claimed(payment, message, now)
        case PspPaymentSucceeded():
            return _succeeded(payment, message, now)
        case (
            PspSessionOpen()
            | PspPaymentActionRequired()
            | PspPaymentHeld()
            | PspPaymentProcessing()
            | PspPaymentFailed()
            | PspPaymentCanceled()
        ):
            return _reported(payment, message)
        case PspSessionCreated() | PspSessionFailed():
            return _session(polling.resolved(payment), message)
        case CreatePaymentSession() | ClosePaymentSession():
            return _session(payment, message)
        case _:
            assert_never(message)


def _session(payment: Payment, message: _SessionMessage) -> Decision[Payment]:
    """Opening and closing the session in which the guest can pay."""
    match payment.status, message:
        case _, CreatePaymentSession(amount=amount) if amount != payment.amount:
            raise AmountChangedError(payment, amount)
        case _P.CREATED | _P.UNKNOWN, CreatePaymentSession() if payment.session is None:
            asked = _asked(payment, message)
            return Applied(asked, (polling.ask_session(asked),))
        case _P.SESSION_OPEN | _P.ACTION_REQUIRED, CreatePaymentSession():
            return Applied(_asked(payment, message), _session_created(payment))
        case _P.FAILED | _P.CLOSED, CreatePaymentSession() if _had(payment, message):
            return Stale("a request whose session was closed already")
        case _P.FAILED | _P.CLOSED, CreatePaymentSession():
            receipt = {"sealed_receipt_email": message.sealed_receipt_email}
            return _open_again(_asked(payment, message).model_copy(update=receipt))
        case _P.SUCCEEDED, CreatePaymentSession() | ClosePaymentSession():
            return Applied(payment, (_success_told(payment),))
        case _, PspSessionCreated(psp_reference=reference) if payment.knows(reference):
            return Stale(f"the payment is {payment.status} already, and knows this session")
        case _P.SUCCEEDED | _P.MISMATCHED | _P.CLOSED, PspSessionCreated():
            return _superfluous_session(payment, message)
        case _, PspSessionCreated(session_no=no) if no == payment.session_no and payment.session is None:
            return _session_opened(payment, message)
        case _, PspSessionCreated():
            return _superfluous_session(payment, message)
        case _P.CREATED, PspSessionFailed(session_no=no) if no == payment.session_no:
            return _session_failed(payment, message)
        case _P.CLOSING, PspSessionFailed(session_no=no) if no == payment.session_no:
            return _closed(payment)
        case _P.FAILED | _P.CLOSED, ClosePaymentSession():
            return Applied(payment, (_closed_told(payment),))
        case _P.MISMATCHED, ClosePaymentSession() if payment.received is None and payment.session is not None:
            return Applied(payment, _close_psp_session(payment))
        case _P.MISMATCHED, ClosePaymentSession():
            return Ignored("a person decides on this payment")
        case _, ClosePaymentSession() if payment.is_unpayable:
            return _closed(payment)
        case _P.UNKNOWN, ClosePaymentSession():
            return Applied(payment.model_copy(update={"before_unknown": _P.CLOSING}), _close_psp_session(payment))
        case _, ClosePaymentSession():
            closing = payment.model_copy(update={"status": _P.CLOSING})
            return Applied(closing, _close_psp_session(closing))
        case (
            (
                _P.CREATED
                | _P.SESSION_OPEN
                | _P.ACTION_REQUIRED
                | _P.PROCESSING
                | _P.SUCCEEDED
                | _P.CLOSING
                | _P.CLOSED
                | _P.FAILED
                | _P.UNKNOWN
                | _P.MISMATCHED
            ),
            CreatePaymentSession() | PspSessionFailed(),
        ):
            return Stale(f"the payment is {payment.status} already")
        case _:
            assert_never(message)


def _reported(payment: Payment, report: _UnpaidReport) -> Decision[Payment]:
    """A report about an unpaid session, which counts if it is newer than the state."""
    if report.psp_reference in payment.unclosed and isinstance(report, PspPaymentCanceled):
        return Applied(payment.model_copy(update={"unclosed": _without(payment.unclosed, report.psp_reference)}))
    if not _is_current(payment, report):
        return Stale("a report about an earlier session")
    if payment.latest_fact_at is not None and report.occurred_at < payment.latest_fact_at:
        return Stale("overtaken by a newer report")
    payment = polling.resolved(payment.model_copy(update={"latest_fact_at": report.occurred_at}))
    match payment.status, report:
        case status, _ if status in _CLOSED_OR_DONE:
            return Stale(f"the payment is {status} already")
        case _, PspPaymentCanceled():
            return _closed(payment)
        case _P.CLOSING, PspPaymentProcessing():
            # It cannot be closed while it settles; the PSP's final report closes or confirms it.
            return Applied(payment, (_processing_told(payment),))
        case _, PspPaymentHeld():
            return _held(payment, report)
        case _P.CLOSING, PspPaymentFailed() | PspSessionOpen():
            return Applied(payment, _close_psp_session(payment))
        case _P.CLOSING, PspPaymentActionRequired():
            return Stale("the payment is closing already")
        case _, PspSessionOpen():
            return _found_unpaid(payment, report, _P.SESSION_OPEN if payment.status in _ATTEMPTING else payment.status)
        case _, PspPaymentActionRequired(payable_until=datetime() as until):
            return _instructions_issued(payment, until)
        case _, PspPaymentActionRequired():
            return _found_unpaid(payment, report, _P.ACTION_REQUIRED)
        case _P.PROCESSING, PspPaymentProcessing():
            return Applied(payment)
        case _, PspPaymentProcessing():
            return Applied(payment.model_copy(update={"status": _P.PROCESSING}), (_processing_told(payment),))
        case _, PspPaymentFailed():
            return _attempt_failed(payment, report)
        case _:
            assert_never(report)


def _claimed(payment: Payment, report: PspPaymentEvent, now: datetime) -> Decision[Payment]:
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
        return Applied(claimed, (polling.ask_about(payment, reference, is_held=False),))
    if payment.paid_reference is not None:
        return Ignored(f"the payment is {payment.status} already; the audit names what was paid beside it")
    held = payment.model_copy(update={"earlier_sessions": (*payment.earlier_sessions, reference)})
    if payment.is_unpayable:
        return _succeeded(held, report, now)
    received = {"received": report.amount_received, "paid_reference": reference}
    detail = f"{reference} was paid and names this payment in its metadata, but was not opened for it"
    decision = _mismatched(polling.resolved(held).model_copy(update=received), detail)
    return Applied(decision.state, (*decision.messages, *_close_other_session(payment, report)))


def _is_current(payment: Payment, report: PspPaymentEvent) -> bool:
    """Whether a report concerns the current session or, before the PSP has named it, none of the earlier ones."""
    if payment.session is not None:
        return report.psp_reference == payment.session.psp_reference
    return report.psp_reference not in payment.earlier_sessions


def _asked(payment: Payment, message: CreatePaymentSession) -> Payment:
    """The payment with the latest request for a session; unchanged by an earlier one."""
    times = [at for at in (payment.asked_at, message.asked_at) if at is not None]
    latest = {"asked_at": max(times, default=None), "request_no": max(payment.request_no, message.request_no or 0)}
    return payment.model_copy(update=latest)


def _had(payment: Payment, message: CreatePaymentSession) -> bool:
    """Whether a request is not newer than the payment's latest. Requests of older orders carry only a time."""
    if message.request_no is not None:
        return message.request_no <= payment.request_no
    return message.asked_at is not None and _asked(payment, message) == payment


def _open_again(payment: Payment) -> Decision[Payment]:
    """One live session at a time: the previous one was closed or never opened."""
    left = (payment.session.psp_reference,) if payment.session else ()
    again = payment.model_copy(
        update={
            "status": _P.CREATED,
            "session_no": payment.session_no + 1,
            "session": None,
            "earlier_sessions": (*payment.earlier_sessions, *left),
            "latest_fact_at": None,
        }
    )
    return Applied(again, (polling.ask_session(again),))


def _session_opened(payment: Payment, event: PspSessionCreated) -> Decision[Payment]:
    session = PspSession(
        psp_reference=event.psp_reference,
        sealed_client_secret=event.sealed_client_secret,
        livemode=event.livemode,
    )
    opened = payment.model_copy(update={"session": session})
    if payment.status is _P.CLOSING:
        return Applied(opened, _close_psp_session(opened))
    if event.amount != payment.amount:
        return _mismatched(
            opened, f"asked the PSP for {readable(payment.amount)}, it opened a session for {readable(event.amount)}"
        )
    if payment.status in (_P.CREATED, _P.FAILED):
        opened = opened.model_copy(update={"status": _P.SESSION_OPEN})
    return Applied(opened, _session_created(opened))


def _superfluous_session(payment: Payment, event: PspSessionCreated) -> Decision[Payment]:
    """A late or repeated request opened a session that no guest will receive: it is closed at once."""
    sessions = {
        "earlier_sessions": (*payment.earlier_sessions, event.psp_reference),
        "unclosed": (*payment.unclosed, event.psp_reference),
        "polls": 0,
    }
    close = polling.close_session(payment, event.psp_reference)
    return Applied(payment.model_copy(update=sessions), (close,))


def _without(references: tuple[str, ...], gone: str) -> tuple[str, ...]:
    return tuple(reference for reference in references if reference != gone)


def _session_created(payment: Payment) -> tuple[Outgoing, ...]:
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
    failure = PaymentSessionFailed(order_id=payment.order_id, payment_id=payment.payment_id, detail=event.detail)
    return Applied(payment.model_copy(update={"status": _P.FAILED}), (failure,))


def _found_unpaid(payment: Payment, report: PspPaymentEvent, status: PaymentStage) -> Decision[Payment]:
    """Open and unpaid. Re-emits the last failure: the order may have seen *processing* after it.

    An attempt that the PSP no longer knows has failed; its event arrives after this report and is stale then.
    """
    found = payment.model_copy(update={"status": status, "polls": 0})
    if payment.status in _ATTEMPTING and status is not payment.status:
        attempt = Attempt(at=report.occurred_at, code="not_settled", detail="The payment did not go through.")
        found = found.model_copy(update={"attempts": (*payment.attempts, attempt)[-ATTEMPTS_KEPT:]})
    if not found.attempts:
        return Applied(found)
    last = found.attempts[-1]
    event = PaymentFailed(order_id=payment.order_id, payment_id=payment.payment_id, code=last.code, detail=last.detail)
    return Applied(found, (event,))


def _instructions_issued(payment: Payment, payable_until: datetime) -> Decision[Payment]:
    """Emitted at each report: the order may have seen the failure of an earlier attempt in between."""
    event = PaymentInstructionsIssued(
        order_id=payment.order_id, payment_id=payment.payment_id, payable_until=payable_until
    )
    return Applied(payment.model_copy(update={"status": _P.ACTION_REQUIRED}), (event,))


def _held(payment: Payment, report: PspPaymentHeld) -> Decision[Payment]:
    """Partial payments wait for a person; an authorisation is cancelled, and the order comes under review."""
    if not report.is_authorised_only:
        return _mismatched(payment, report.detail)
    closing = payment.model_copy(update={"status": _P.CLOSING})
    event = PaymentUnresolved(order_id=payment.order_id, payment_id=payment.payment_id, detail=report.detail)
    return Applied(closing, (event, *_close_psp_session(closing)))


def _attempt_failed(payment: Payment, report: PspPaymentFailed) -> Decision[Payment]:
    attempt = Attempt(at=report.occurred_at, code=report.code, detail=report.detail)
    failed = payment.model_copy(
        update={
            "status": _P.SESSION_OPEN if payment.session else _P.CREATED,
            "attempts": (*payment.attempts, attempt)[-ATTEMPTS_KEPT:],
        }
    )
    event = PaymentFailed(
        order_id=payment.order_id, payment_id=payment.payment_id, code=report.code, detail=report.detail
    )
    return Applied(failed, (event,))


def _succeeded(payment: Payment, report: PspPaymentSucceeded, now: datetime) -> Decision[Payment]:
    """A success counts in every status, provided that it matches the request. A paid session need not be closed."""
    payment = payment.model_copy(update={"unclosed": _without(payment.unclosed, report.psp_reference)})
    if payment.paid_reference is not None:
        if report.psp_reference != payment.paid_reference:
            return refunds.refund_duplicate_charge(payment, report, now)
        return Ignored(f"the payment is {payment.status} already")
    received = polling.resolved(payment).model_copy(
        update={
            "received": report.amount_received,
            "paid_reference": report.psp_reference,
            "latest_fact_at": report.occurred_at,
        }
    )
    if report.amount_received != payment.amount:
        return _mismatched(
            received, f"received {readable(report.amount_received)}, asked for {readable(payment.amount)}"
        )
    if payment.session is not None and report.livemode != payment.session.livemode:
        return _mismatched(received, f"livemode is {report.livemode}, the session's was {payment.session.livemode}")
    succeeded = received.model_copy(update={"status": _P.SUCCEEDED})
    messages = (
        _success_told(succeeded),
        *refunds.refunds_seen_before_payment(succeeded),
        *_close_other_session(payment, report),
    )
    return Applied(succeeded, messages)


def _close_other_session(payment: Payment, report: PspPaymentSucceeded) -> tuple[Outgoing, ...]:
    if payment.session is None or payment.session.psp_reference == report.psp_reference:
        return ()
    return (polling.close_session(payment, payment.session.psp_reference),)


def _success_told(payment: Payment) -> PaymentSucceeded:
    amount: Money = payment.received or payment.amount
    return PaymentSucceeded(order_id=payment.order_id, payment_id=payment.payment_id, amount=amount)


def _mismatched(payment: Payment, detail: str) -> Applied[Payment]:
    event = PaymentMismatched(
        order_id=payment.order_id, payment_id=payment.payment_id, detail=detail, received=payment.received
    )
    mismatched = payment.model_copy(update={"status": _P.MISMATCHED})
    return Applied(mismatched, (event, *refunds.refunds_seen_before_payment(mismatched)))


def _close_psp_session(payment: Payment) -> tuple[Outgoing, ...]:
    if payment.session is None:
        # The session is being opened; it is closed as soon as the PSP has named it.
        return ()
    return (polling.close_session(payment, payment.session.psp_reference),)


def _closed(payment: Payment) -> Decision[Payment]:
    settled = {"status": _P.CLOSED, "before_unknown": None, "is_refused": False, "polls": 0}
    closed = payment.model_copy(update=settled)
    return Applied(closed, (_closed_told(closed),))


def _closed_told(payment: Payment) -> PaymentSessionClosed:
    return PaymentSessionClosed(order_id=payment.order_id, payment_id=payment.payment_id)


def _processing_told(payment: Payment) -> PaymentProcessing:
    return PaymentProcessing(order_id=payment.order_id, payment_id=payment.payment_id)
