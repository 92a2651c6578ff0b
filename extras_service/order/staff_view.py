"""The view of an order for the staff of its property."""

from contracts.order_actions import ActionKind, OrderAction, Role, StaffDetails
from contracts.orders import OrderStatus, OrderView
from extras_service.order.state import Order


def staff_view(order: Order) -> OrderView:
    """The guest's view with refunds, disputes and people's actions."""
    details = StaffDetails(
        needs_attention=order.needs_attention,
        refundable=order.refundable,
        review=order.review,
        actions=actions_of(order),
        fulfilled_lines=order.fulfilled_lines,
        settled_outside=order.settled_outside,
        erased_at=order.erased_at,
        is_to_be_erased=order.erasure is not None and order.erased_at is None,
    )
    return order.staff_view().model_copy(update={"staff": details})


def actions_of(order: Order) -> tuple[OrderAction, ...]:
    """People's actions, the oldest first. An earlier version recorded only who closed it, and why."""
    if order.actions or not order.closed_by:
        return order.actions
    by, _, reason = order.closed_by.partition(": ")
    is_kept = order.accepted and order.status in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
    action = ActionKind.REVIEW_ACCEPTED if is_kept else ActionKind.CANCELLED
    role = Role.GUEST if by == order.guest.guest_id else Role.STAFF
    return (OrderAction(action=action, at=None, by=by, role=role, reason=reason),)
