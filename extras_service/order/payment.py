"""Transitions of an order that awaits payment."""

from datetime import datetime, timedelta

from chassis.decision import Applied, Decision, DeferredReply, Ignored, PendingReply, Refused, Stale
from chassis.errors import PermanentError
from contracts.orders import OrderConfirmed, OrderStatus, PaymentStatus, Reason
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    PaymentFailed,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
)
from extras_service.order.inputs import HoldsUnconfirmedError, PaymentStart
from extras_service.order.payment_description import payment_description
from extras_service.order.replies import not_payable, refuse, refuse_waiting
from extras_service.order.state import HoldsStage, Order
from extras_service.order.status import settled

MAX_WAITERS = 16
"""Maximum number of pending replies for one payment session; older requests time out and are repeated."""

REPORTED_WITHIN = timedelta(days=1)
"""The time after a voucher's payment within which the PSP may report it."""

ASK_AGAIN_AFTER = timedelta(seconds=30)
"""The time after which an unanswered request for a payment session is repeated."""


def payment_started(order: Order, starting: PaymentStart, now: datetime) -> Decision[Order]:
    if order.holds is HoldsStage.UNCONFIRMED:
        raise HoldsUnconfirmedError(order.order_id)
    if order.payment_status is PaymentStatus.PROCESSING:
        return Refused(Reason.ORDER_NOT_PAYABLE, "A payment for this order is being processed.")
    if order.session is not None:
        return Ignored("the payment session is open already")
    waiting = (*order.waiting, starting.pending_reply)[-MAX_WAITERS:] if starting.pending_reply else order.waiting
    if order.session_asked_at is not None and now - order.session_asked_at < ASK_AGAIN_AFTER:
        return Applied(order.model_copy(update={"waiting": waiting}))
    ask = CreatePaymentSession(
        order_id=order.order_id,
        payment_id=order.payment_id,
        amount=order.ordered_total,
        request_no=order.session_requests + 1,
        asked_at=now,
        description=payment_description(order),
        sealed_receipt_email=starting.command.sealed_receipt_email,
        is_captured_later=order.needs_approval,
        psp_account=order.psp_account,
    )
    asked = {"waiting": waiting, "session_asked_at": now, "session_requests": ask.request_no}
    return Applied(order.model_copy(update=asked), (ask,))


def session_created(order: Order, event: PaymentSessionCreated) -> Decision[Order]:
    if event.request_no is not None and event.request_no < order.session_request_no:
        return Stale("a newer session is open already")
    opened = order.model_copy(
        update={
            "session": event.sealed_client_secret,
            "page_account": event.page_account,
            "waiting": (),
            "session_request_no": event.request_no or 0,
            # A restored order counts on from what the payment service knows: it refuses older requests.
            "session_requests": max(order.session_requests, event.request_no or 0),
        }
    )
    reply = opened.session_reply()
    if reply is None:  # unreachable: a pending order with a session has one
        raise PermanentError(f"{order.order_id} has no reply for its session")
    return Applied(opened, tuple(DeferredReply(pending_reply, reply) for pending_reply in order.waiting))


def opened_too_late(order: Order) -> Decision[Order]:
    """A session was opened after the order closed: close it too."""
    return Applied(order, (ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id),))


def session_failed(order: Order, event: PaymentSessionFailed) -> Decision[Order]:
    closed = order.model_copy(update={"session_asked_at": None, "waiting": ()})
    return Applied(closed, refuse_waiting(order, Reason.PAYMENT_SESSION_FAILED, event.detail))


def session_lost(order: Order, event: PaymentSessionClosed, now: datetime) -> Decision[Order]:
    """The session was cancelled at the PSP without a request of ours: the guest may open another one.

    This may arrive before the event that opened the session, or, from an older payment service, while the next session
    is open: the order still closes in two phases.
    """
    closed_no = event.request_no or 0
    seen = {
        "closed_request_no": max(order.closed_request_no, closed_no),
        "session_requests": max(order.session_requests, closed_no),
    }
    if 0 < closed_no < order.session_request_no:  # a newer session is open already, and stays
        return Applied(_unpaid_again(order.model_copy(update=seen), now))
    long_ago = min(order.created_at, now - ASK_AGAIN_AFTER)
    lost = seen | {
        "session": None,
        "session_request_no": 0,
        "session_asked_at": long_ago if order.session_asked_at else None,
    }
    return Applied(_without_voucher(_unpaid_again(order.model_copy(update=lost), now), now))


def processing(order: Order) -> Decision[Order]:
    return Applied(order.model_copy(update={"payment_status": PaymentStatus.PROCESSING, "due_at": None}))


def attempt_failed(order: Order, event: PaymentFailed, now: datetime) -> Decision[Order]:
    unpaid = _unpaid_again(order.model_copy(update={"payment_failure": event.detail}), now)
    return Applied(_without_voucher(unpaid, now))


def instructions_issued(order: Order, payable_until: datetime, now: datetime) -> Decision[Order]:
    """A voucher that outlives the order's deadline moves it: it may be paid on its last day and reported the day after.

    When the PSP says that the attempt failed, or that the session was cancelled, the usual deadline runs again.
    """
    unpaid = _unpaid_again(order, now)
    if unpaid.due_at is not None and payable_until > unpaid.due_at:
        unpaid = unpaid.model_copy(update={"due_at": payable_until + REPORTED_WITHIN})
    return Ignored("the deadline is later already") if unpaid == order else Applied(unpaid)


def _without_voucher(order: Order, now: datetime) -> Order:
    """The usual deadline at the latest: a later one was for a voucher that cannot be paid any more."""
    usual = now + order.pay_within
    return order.model_copy(update={"due_at": usual}) if order.due_at is not None and order.due_at > usual else order


def _unpaid_again(order: Order, now: datetime) -> Order:
    """The order awaits payment again. A deadline that was suspended while one settled restarts in full."""
    suspended = order.status is OrderStatus.PENDING_PAYMENT and order.due_at is None
    due_at = now + order.pay_within if suspended else order.due_at
    return order.model_copy(update={"payment_status": PaymentStatus.UNPAID, "due_at": due_at})


def paid(order: Order) -> Decision[Order]:
    return confirmed(order.model_copy(update={"received": order.total}), order.waiting)


def confirmed(order: Order, waiting: tuple[PendingReply, ...]) -> Decision[Order]:
    after = settled(order, OrderStatus.CONFIRMED).model_copy(update={"payment_failure": None, "declined_because": None})
    event = OrderConfirmed(
        **order.about,
        reservation_id=order.guest.reservation_id,
        payment_id=order.payment_id,
        total=order.total,
        taken_out=order.taken_out,
        status=after.status,
        payment_status=after.payment_status,
    )
    return Applied(after, (event, *refuse(waiting, Reason.ORDER_NOT_PAYABLE, not_payable(after))))
