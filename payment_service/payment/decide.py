"""The payment's table of decisions, row by row.

What a row does stands in `session.py`, `success.py`, `refunds.py` and `disputes.py`; `polling.py` says when the PSP is
polled, `psp_requests.py` builds the requests to it. PSP reports are trusted only where they match the request.
"""

from datetime import datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Stale
from contracts.erasure import ErasePayment
from contracts.payments import CapturePayment, ClosePaymentSession, CreatePaymentSession, RefundPayment
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
from contracts.psp_accounts import AtPspAccount
from payment_service.payment import capture, disputes, erasure, polling, psp_requests, refunds, session, success
from payment_service.payment.inputs import (
    AmountChangedError,
    ClosedBeforeCreatedError,
    HeldSessionEvent,
    PaymentInput,
    PollDue,
    UnknownPaymentError,
)
from payment_service.payment.polling import Polls
from payment_service.payment.state import Payment, PaymentStage

_P = PaymentStage


def decide(
    payment: Payment | None, message: PaymentInput | HeldSessionEvent, now: datetime, polls: Polls = polling.DEFAULT
) -> Decision[Payment]:
    """Decide on `message`; every change sets the time of the next poll."""
    if isinstance(message, HeldSessionEvent):
        message = message.of(payment)
    decision = _without_payment(message) if payment is None else _decide(payment, message, now, polls)
    if isinstance(decision, Applied):
        return Applied(erasure.followed(polling.with_next_poll(decision.state, now, polls)), decision.messages)
    return decision


def _without_payment(message: PaymentInput) -> Decision[Payment]:
    match message:
        case CreatePaymentSession():
            return session.requested(message)
        case ClosePaymentSession():
            raise ClosedBeforeCreatedError(message)
        case PollDue() | ErasePayment():
            return Ignored("no such payment")
        case _:
            raise UnknownPaymentError(message)


def _decide(payment: Payment, message: PaymentInput, now: datetime, polls: Polls) -> Decision[Payment]:
    if isinstance(message, AtPspAccount) and message.psp_account != payment.psp_account:
        return session.at_another_account(payment, message)
    heard = session.heard(payment, message)
    match heard.status, message:
        case _, PollDue():
            return polling.poll(payment, now, polls)
        case _, ErasePayment():
            return erasure.asked(payment, message)
        case _, PspOutcomeUnknown():
            return polling.psp_timed_out(payment, message)
        case _, RefundPayment():
            return refunds.refund_asked(payment, message, now)
        case _, PspRefundUpdated():
            return refunds.refund_reported(payment, message)
        case _, PspRefundRefused():
            return refunds.refund_refused(payment, message)
        case _, PspDisputeUpdated():
            return disputes.dispute_reported(payment, message)
        # The session is requested and closed.
        case _, CreatePaymentSession(amount=amount) if amount != payment.amount:
            raise AmountChangedError(payment, amount)
        case ((_P.CREATED | _P.UNKNOWN), CreatePaymentSession()) if payment.session is None:
            return session.requested_before_opened(payment, message)
        case ((_P.SESSION_OPEN | _P.ACTION_REQUIRED), CreatePaymentSession()):
            return session.requested_while_open(payment, message)
        case _P.AUTHORISED, CreatePaymentSession():
            return Applied(payment, capture.authorisation(payment))
        case ((_P.FAILED | _P.CLOSED), CreatePaymentSession()):
            return session.requested_after_closed(payment, message)
        case _P.SUCCEEDED, CreatePaymentSession() | CapturePayment() | ClosePaymentSession():
            return Applied(payment, (success.success_of(payment),))
        case ((_P.FAILED | _P.CLOSED), CapturePayment() | ClosePaymentSession()):
            return Applied(payment, (session.closure(payment),))
        case _P.MISMATCHED, CapturePayment():
            return Ignored("a person decides on this payment")
        case _, CapturePayment():
            return capture.asked(payment, message)
        case _P.MISMATCHED, ClosePaymentSession() if payment.received is None and payment.session is not None:
            return Applied(payment, psp_requests.close_current(payment))
        case _P.MISMATCHED, ClosePaymentSession():
            return Ignored("a person decides on this payment")
        case _, ClosePaymentSession():
            return session.closing(payment)
        # The PSP answers that it opened it, or could not.
        case status, PspSessionCreated(psp_reference=reference) if payment.knows(reference):
            return Stale(f"the payment is {status} already, and knows this session")
        case ((_P.SUCCEEDED | _P.MISMATCHED | _P.CLOSED), PspSessionCreated()):
            return session.superfluous(heard, message)
        case _, PspSessionCreated(session_no=no) if no == payment.session_no and payment.session is None:
            return session.opened(heard, message)
        case _, PspSessionCreated():
            return session.superfluous(heard, message)
        case _P.CREATED, PspSessionFailed(session_no=no) if no == payment.session_no:
            return session.not_opened(heard, message)
        case _P.CLOSING, PspSessionFailed(session_no=no) if no == payment.session_no:
            return session.closed(heard)
        # The PSP reports what became of it.
        case _, PspPaymentEvent() if not payment.knows(message.psp_reference):
            return success.claimed(payment, message, now)
        case _, PspPaymentSucceeded():
            return success.succeeded(payment, message, now)
        case _, PspPaymentCanceled(psp_reference=reference) if reference in payment.unclosed:
            return session.superfluous_closed(payment, reference)
        case (
            _,
            PspSessionOpen()
            | PspPaymentActionRequired()
            | PspPaymentHeld()
            | PspPaymentProcessing()
            | PspPaymentFailed()
            | PspPaymentCanceled(),
        ) if (reason := session.overtaken(payment, message)) is not None:
            return Stale(reason)
        case (
            (_P.SUCCEEDED | _P.CLOSED | _P.MISMATCHED | _P.FAILED) as status,
            PspSessionOpen()
            | PspPaymentActionRequired()
            | PspPaymentHeld()
            | PspPaymentProcessing()
            | PspPaymentFailed()
            | PspPaymentCanceled(),
        ):
            return Stale(f"the payment is {status} already")
        case _, PspPaymentCanceled():
            return session.closed(heard)
        case _P.CLOSING, PspPaymentProcessing():
            # It cannot be closed while it settles; the PSP's final report closes or confirms it.
            return session.processing(heard, _P.CLOSING)
        case _P.CLOSING, PspPaymentHeld(is_authorised_only=True) if heard.is_captured_later:
            return Applied(heard, psp_requests.close_current(heard))
        case _P.CAPTURING, PspPaymentHeld(is_authorised_only=True):
            return Applied(heard)  # the next poll asks again to capture it
        case _, PspPaymentHeld(is_authorised_only=True, authorised=amount) if heard.is_captured_later and amount in (
            None,
            heard.amount,
        ):
            return capture.authorised(heard, message)
        case _, PspPaymentHeld():
            return session.held(heard, message)
        case ((_P.AUTHORISED | _P.CAPTURING), PspPaymentFailed() | PspSessionOpen()):
            return capture.lost(payment, message)
        case ((_P.AUTHORISED | _P.CAPTURING), PspPaymentProcessing()):
            return Applied(heard)
        case ((_P.AUTHORISED | _P.CAPTURING), PspPaymentActionRequired()):
            return Stale("the payment is authorised already")
        case _P.CLOSING, PspPaymentFailed() | PspSessionOpen():
            return Applied(heard, psp_requests.close_current(heard))
        case _P.CLOSING, PspPaymentActionRequired():
            return Stale("the payment is closing already")
        case ((_P.PROCESSING | _P.ACTION_REQUIRED), PspSessionOpen()):
            return session.found_unpaid(heard, message, _P.SESSION_OPEN)
        case status, PspSessionOpen():
            return session.found_unpaid(heard, message, status)
        case _, PspPaymentActionRequired(payable_until=datetime() as until):
            return session.instructions_issued(heard, until)
        case _, PspPaymentActionRequired():
            return session.found_unpaid(heard, message, _P.ACTION_REQUIRED)
        case _P.PROCESSING, PspPaymentProcessing():
            return Applied(heard)
        case _, PspPaymentProcessing():
            return session.processing(heard, _P.PROCESSING)
        case _, PspPaymentFailed():
            return session.attempt_failed(heard, message)
        case (
            (
                _P.CREATED
                | _P.SESSION_OPEN
                | _P.ACTION_REQUIRED
                | _P.PROCESSING
                | _P.AUTHORISED
                | _P.CAPTURING
                | _P.SUCCEEDED
                | _P.CLOSING
                | _P.CLOSED
                | _P.FAILED
                | _P.UNKNOWN
                | _P.MISMATCHED
            ) as status,
            CreatePaymentSession() | PspSessionFailed(),
        ):
            return Stale(f"the payment is {status} already")
        case _:
            assert_never(message)
