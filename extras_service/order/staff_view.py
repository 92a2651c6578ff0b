"""An order as the staff of its property see it."""

from contracts.order_actions import ActionKind, OrderAction, Role, StaffDetails
from contracts.orders import OrderStatus, OrderView
from extras_service.order.state import Order


def staff_view(order: Order) -> OrderView:
    """What its guest sees, its refunds, and what people have done to it."""
    details = StaffDetails(review=order.review, actions=actions_of(order), settled_outside=order.settled_outside)
    return order.staff_view().model_copy(update={"staff": details})


def actions_of(order: Order) -> tuple[OrderAction, ...]:
    """What people have done to it, the oldest first. An earlier version noted only who closed it, and why."""
    if order.actions or not order.closed_by:
        return order.actions
    by, _, reason = order.closed_by.partition(": ")
    is_kept = order.accepted and order.status in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
    action = ActionKind.REVIEW_ACCEPTED if is_kept else ActionKind.CANCELLED
    role = Role.GUEST if by == order.guest.guest_id else Role.STAFF
    return (OrderAction(action=action, at=None, by=by, role=role, reason=reason),)
