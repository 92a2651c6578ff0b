"""Transitions of fulfilment: the whole order at once, or line by line."""

from datetime import datetime

from chassis.decision import Applied, Decision, Ignored
from contracts.order_actions import ActionKind, FulfilledLine
from contracts.orders import FulfilLines, FulfilOrder, OrderFulfilled, OrderLinesFulfilled, OrderStatus
from extras_service.order.replies import line_unknown
from extras_service.order.state import Order
from extras_service.order.status import acted


def fulfilled(order: Order, command: FulfilOrder | FulfilLines, now: datetime) -> Applied[Order]:
    event = OrderFulfilled(**order.about)
    given = acted(order, command, ActionKind.FULFILLED, now)
    return Applied(given.model_copy(update={"status": OrderStatus.FULFILLED}), (event,))


def lines_fulfilled(order: Order, command: FulfilLines, now: datetime) -> Decision[Order]:
    """The guest has received these lines. With the last of them the order is fulfilled."""
    if (unknown := line_unknown(order, command.lines)) is not None:
        return unknown
    known = {each.line for each in order.fulfilled_lines}
    new = sorted(set(command.lines) - known)
    if not new:
        return Ignored("these lines are fulfilled already")
    given = tuple(FulfilledLine(line=line, by=command.staff.staff_id, at=now) for line in new)
    marked = order.model_copy(update={"fulfilled_lines": (*order.fulfilled_lines, *given)})
    if known | set(new) == set(order.owed):
        return fulfilled(marked, command, now)
    event = OrderLinesFulfilled(
        **order.about,
        lines=tuple(new),
    )
    return Applied(marked, (event,))
