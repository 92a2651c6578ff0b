"""Replies to requesters, immediate and deferred."""

from collections.abc import Iterable
from typing import assert_never

from chassis.decision import (
    Applied,
    DeferredReply,
    Done,
    Duplicate,
    Ignored,
    Outcome,
    Outgoing,
    PendingReply,
    Refused,
    Stale,
)
from contracts.closing import ClosingOrdersReply
from contracts.desk import PropertyOrders, PropertyOrdersReply
from contracts.mail import OrderDescribed
from contracts.message import Reply
from contracts.order_receipts import Receipt
from contracts.orders import OrderReply, OrderStatus, Reason, Refusal
from extras_service.order.staff_view import staff_view
from extras_service.order.state import Order
from extras_service.property.state import Property

ERASED = "This Idempotency-Key was used for an order whose guest's data was erased; use a new key for a new order."


def not_payable(order: Order) -> str:
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED:
            return "This order is paid already."
        case OrderStatus.NEEDS_REVIEW:
            return "This order is being looked at by the hotel; please do not pay again."
        case OrderStatus.AWAITING_APPROVAL:
            return "The hotel has not approved this order yet. The amount is reserved, and nothing is charged before."
        case OrderStatus.CAPTURING:
            return "The hotel has approved this order, and its payment is being taken."
        case (
            OrderStatus.PENDING_PAYMENT
            | OrderStatus.EXPIRING
            | OrderStatus.CANCELLING
            | OrderStatus.EXPIRED
            | OrderStatus.CANCELLED
            | OrderStatus.DECLINED
        ):
            return f"This order can no longer be paid: it is {order.status}."
        case _:
            assert_never(order.status)


def not_approvable(order: Order) -> str:
    if not order.needs_approval:
        return "This order needs no approval."
    if order.status is OrderStatus.PENDING_PAYMENT:
        return "The guest has not paid for this order yet; until then there is nothing to approve or to decline."
    if order.status is OrderStatus.CAPTURING:
        return "This order is approved, and its payment is being taken. Cancel it instead."
    return f"This order can be neither approved nor declined: it is {order.status}."


def line_unknown(order: Order, lines: Iterable[int]) -> Refused | None:
    """The refusal if the order lacks one of these lines, or if staff took it out."""
    for line in lines:
        if line not in range(len(order.lines)):
            return Refused(Reason.LINE_UNKNOWN, f"This order has the lines 0 to {len(order.lines) - 1}.")
        if line not in order.owed:
            return Refused(
                Reason.LINE_TAKEN_OUT, f"Line {line} was taken out of this order: its guest has not paid for it."
            )
    return None


def refuse_waiting(order: Order, reason: Reason, detail: str) -> tuple[Outgoing, ...]:
    return refuse(order.waiting, reason, detail)


def refuse(waiting: tuple[PendingReply, ...], reason: Reason, detail: str) -> tuple[Outgoing, ...]:
    refusal = Refusal(reason=reason, detail=detail)
    return tuple(DeferredReply(pending_reply, refusal) for pending_reply in waiting)


def placed_reply(outcome: Outcome[Order], order: Order | None) -> Reply | None:
    """The reply to PlaceOrder. A repeated request gets the first reply, regardless of later changes."""
    match outcome:
        case Refused() as refused:
            return refusal(refused)
        case Applied() | Duplicate():
            return OrderReply(order=order.first_view()) if order else None
        case Stale() | Ignored() | Done():
            return None
        case _:
            assert_never(outcome)


def order_reply(order: Order, *, for_staff: bool) -> OrderReply:
    return OrderReply(order=staff_view(order) if for_staff else order.view())


def order_described(
    order: Order, version: int, receipts: tuple[Receipt, ...], hotel: Property | None
) -> OrderDescribed:
    """What other services write to people and systems about an order. `version` of its document."""
    return OrderDescribed(
        order=order_reply(order, for_staff=True).order,
        receipts=receipts,
        hotel=hotel.definition if hotel else None,
        order_version=version,
    )


def changed_reply(outcome: Outcome[Order], order: Order | None, *, for_staff: bool) -> Reply | None:
    """The reply to a command that changes an order: its current state."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return order_reply(order, for_staff=for_staff) if order else None


def session_reply(outcome: Outcome[Order], order: Order | None) -> Reply | None:
    """The reply to StartPayment, or None while the session is being opened: the order replies later."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return order.session_reply() if order else None


def closing_reply(page: ClosingOrdersReply | Refused, psp_accounts: tuple[str, ...]) -> Reply:
    """The reply to a query for a closing's orders. `psp_accounts`: those that the property has named so far."""
    return refusal(page) if isinstance(page, Refused) else page.model_copy(update={"psp_accounts": psp_accounts})


def listed_reply(page: PropertyOrders | Refused) -> Reply:
    return refusal(page) if isinstance(page, Refused) else PropertyOrdersReply(page=page)


def refusal(refused: Refused) -> Refusal:
    return Refusal(reason=Reason(refused.reason), detail=refused.detail, mistakes=refused.mistakes)
