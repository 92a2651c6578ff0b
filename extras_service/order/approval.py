"""Transitions of orders that the hotel approves before the guest is charged.

The guest's bank authorises the payment; staff approve the order (it is captured) or decline it (it is voided).
Nothing is captured without approval, and an order without a decision is declined before its authorisation lapses.
"""

from datetime import datetime, timedelta

from chassis.decision import Applied, Decision, Ignored, Refused, Stale
from contracts.approvals import ApproveOrder, DeclineOrder, OrderApprovalNeeded, OrderApproved
from contracts.money import Money
from contracts.order_actions import ActionKind
from contracts.orders import OrderStatus, Reason
from contracts.payments import CapturePayment, PaymentAuthorised, PaymentSessionClosed
from extras_service.order.closure import cancelled, closing
from extras_service.order.money import needs_review
from extras_service.order.payment import confirmed
from extras_service.order.replies import not_payable, refuse_waiting
from extras_service.order.state import Order
from extras_service.order.status import acted, payment_status_of

VOIDED_AHEAD = timedelta(hours=12)
"""How long before its authorisation lapses an order without a decision is declined: time to void it, and to capture one
that was approved at the last moment."""

REMINDED_AHEAD = timedelta(hours=24)
"""How long before that staff are reminded."""

NOT_APPROVED_IN_TIME = "The hotel has not approved this order in time."
NOT_CAPTURED = "The hotel approved this order, but the payment could not be taken any more."


def authorised(order: Order, event: PaymentAuthorised, now: datetime) -> Decision[Order]:
    """The order awaits approval; an event about the same authorisation may name another time at which it lapses."""
    approve_by = event.capture_before - VOIDED_AHEAD
    is_waiting = order.status is OrderStatus.AWAITING_APPROVAL
    if is_waiting and order.approve_by == approve_by:
        return Ignored("it awaits approval already")
    reminded_at = approve_by - REMINDED_AHEAD
    waiting = order.model_copy(
        update={
            "status": OrderStatus.AWAITING_APPROVAL,
            "approve_by": approve_by,
            "due_at": reminded_at if reminded_at > now else approve_by,
            "payment_failure": None,
            "waiting": (),
        }
    )
    waiting = waiting.model_copy(update={"payment_status": payment_status_of(waiting)})
    refused = refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(waiting))
    return Applied(waiting, refused if is_waiting else (_needed(waiting, approve_by), *refused))


def approved(order: Order, command: ApproveOrder, now: datetime) -> Decision[Order]:
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_APPROVABLE, "The guest's bank disputes this payment: decline the order.")
    marked = acted(order, command, ActionKind.APPROVED, now)
    capturing = marked.model_copy(update={"status": OrderStatus.CAPTURING, "due_at": None})
    event = OrderApproved(**order.about)
    return Applied(capturing, (event, _capture(order)))


def charged_unapproved(order: Order, received: Money) -> Decision[Order]:
    """Captured at the PSP by another hand, or approved before the store went back: a person decides."""
    reviewed = needs_review(order, "it was charged before the hotel approved it", received=received)
    return Applied(reviewed.state.model_copy(update={"unapproved": received == order.total}), reviewed.messages)


def approved_after_charge(order: Order, command: ApproveOrder, now: datetime) -> Decision[Order]:
    decided = order.model_copy(update={"review": None, "reviewed_from": None, "unapproved": False})
    return confirmed(acted(decided, command, ActionKind.APPROVED, now), ())


def captured_again(order: Order) -> Decision[Order]:
    """The payment service has lost that it was asked to capture: it is asked again."""
    return Applied(order, (_capture(order),))


def declined(order: Order, command: DeclineOrder, now: datetime) -> Decision[Order]:
    marked = acted(order, command, ActionKind.DECLINED, now, command.reason)
    return _declining(marked, command.reason)


def deadline_passed(order: Order, now: datetime) -> Decision[Order]:
    """Staff are reminded once, then the order is declined."""
    if order.due_at is None or now < order.due_at:
        return Stale("the deadline was moved")
    if order.approve_by is not None and now < order.approve_by:
        reminded = order.model_copy(update={"due_at": order.approve_by})
        return Applied(reminded, (_needed(order, order.approve_by, is_reminder=True),))
    return _declining(order, NOT_APPROVED_IN_TIME)


def session_closed(order: Order, event: PaymentSessionClosed) -> Decision[Order]:
    """The authorisation lapsed, was voided at the PSP, or could not be captured: the order is declined."""
    if 0 < (event.request_no or 0) < order.session_request_no:
        return Stale("a newer session is open already")
    because = NOT_CAPTURED if order.status is OrderStatus.CAPTURING else NOT_APPROVED_IN_TIME
    return cancelled(order.model_copy(update={"declined_because": because}))


def _declining(order: Order, because: str) -> Decision[Order]:
    return closing(order.model_copy(update={"declined_because": because}), OrderStatus.CANCELLING)


def _capture(order: Order) -> CapturePayment:
    return CapturePayment(order_id=order.order_id, payment_id=order.payment_id, amount=order.total)


def _needed(order: Order, approve_by: datetime, *, is_reminder: bool = False) -> OrderApprovalNeeded:
    return OrderApprovalNeeded(
        **order.about,
        reservation_id=order.guest.reservation_id,
        lines=order.lines,
        total=order.total,
        approve_by=approve_by,
        is_reminder=is_reminder,
    )
