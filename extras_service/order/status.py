"""The status of an order and its money, and helpers of several transitions."""

from datetime import datetime

from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.money import Money
from contracts.order_actions import ActionKind, OrderAction, Role
from contracts.orders import CancelOrder, FulfilLines, FulfilOrder, OrderStatus, PaymentStatus, ResolveReview
from extras_service.order.state import Order

CLOSED = (OrderStatus.CANCELLED, OrderStatus.DECLINED, OrderStatus.EXPIRED)


def payment_status_of(order: Order) -> PaymentStatus:
    """The payment status, derived from the payment's events."""
    if order.open_disputes:
        return PaymentStatus.DISPUTED
    if order.lost_disputes:
        return PaymentStatus.CHARGED_BACK
    if order.status is OrderStatus.NEEDS_REVIEW:
        return PaymentStatus.MISMATCHED
    if order.status in (OrderStatus.AWAITING_APPROVAL, OrderStatus.CAPTURING):
        return PaymentStatus.AUTHORISED
    if order.received is None:
        return PaymentStatus.PAID if order.accepted and order.status is OrderStatus.CONFIRMED else PaymentStatus.UNPAID
    refunded = order.refunded.in_hundredths if order.refunded else 0
    if order.status in CLOSED:
        refunded += order.given_outside
    if refunded == 0:
        return PaymentStatus.PAID
    return PaymentStatus.REFUNDED if refunded >= order.received.in_hundredths else PaymentStatus.PARTIALLY_REFUNDED


def settled(order: Order, status: OrderStatus) -> Order:
    """The order without a pending payment."""
    closed = {"due_at": None, "session": None, "waiting": (), "open_of": None, "back_to": None}
    settled = order.model_copy(update={"status": status, **closed})
    return settled.model_copy(update={"payment_status": payment_status_of(settled)})


def acted(
    order: Order,
    command: ApproveOrder | DeclineOrder | CancelOrder | FulfilOrder | FulfilLines | ResolveReview,
    action: ActionKind,
    now: datetime,
    reason: str = "",
    amount: Money | None = None,
    *,
    forced: bool = False,
) -> Order:
    """The order with a record of this action, its person, time and reason."""
    staff, guest = command.staff, order.guest.guest_id
    by, role = (staff.staff_id, Role.STAFF) if staff else (guest, Role.GUEST)
    noted = OrderAction(action=action, at=now, by=by, role=role, reason=reason, amount=amount, forced=forced)
    return order.model_copy(update={"actions": (*order.actions, noted)})
