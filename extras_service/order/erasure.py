"""Erasure: a final order forgets its guest, and one that is not final forgets when it becomes so.

The mark (`Order.erasure`) is looked at after every decision: so the message that settles the last refund, closes the
last dispute or fulfils the order erases it in the same write, and nothing that arrives later brings a text back. Money
is decided on as if there were no mark. docs/decisions/0048-erasure.md.
"""

from datetime import date, datetime, time, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from chassis.decision import Applied, Decision, Ignored
from chassis.personal_data import Erasure
from contracts.erasure import ErasePayment, OrderErased
from contracts.ids import OrderId
from contracts.orders import OrderStatus
from contracts.payments import RefundStage
from extras_service.order.refund import asked_of
from extras_service.order.state import Order

_S = OrderStatus
_LAST_DAY = date.max - timedelta(days=2)
"""Of a stay: the next midnight is a time in every zone."""


def asked(order: Order, pseudonym: str) -> Decision[Order]:
    """Mark the order; `followed` erases it if it is final."""
    if order.erased_at is not None:
        return Ignored("erased already")
    if order.erasure is not None:
        return Ignored("to be erased already, once it is final")
    return Applied(order.model_copy(update={"erasure": pseudonym}))


def stay_is_over(order: Order) -> Decision[Order]:
    """The deadline of a marked order that is confirmed: `followed` erases it, unless its money is still moving."""
    return Applied(order.model_copy(update={"due_at": None}))


def followed(decision: Decision[Order], now: datetime) -> Decision[Order]:
    """The decision with what the mark asks for."""
    if not isinstance(decision, Applied) or decision.state.erasure is None:
        return decision
    order, pseudonym = decision.state, decision.state.erasure
    if order.erased_at is not None:
        return Applied(_without_guest(order, pseudonym), decision.messages)
    if not is_final(order, now):
        return Applied(_with_deadline(order, now), decision.messages)
    erased = _without_guest(order, pseudonym).model_copy(update={"erased_at": now, "due_at": None})
    forget = ErasePayment(order_id=order.order_id, payment_id=order.payment_id, pseudonym=pseudonym)
    return Applied(erased, (*decision.messages, OrderErased(**erased.about), forget))


def is_final(order: Order, now: datetime) -> bool:
    """Whether nothing about the order's money or its extras is open, as far as is known."""
    return why_open(order, now) is None


def why_open(order: Order, now: datetime) -> str | None:
    """Why the order is not final, for people; None if it is."""
    if order.open_disputes:
        return "the guest's bank decides on a dispute"
    if order.needs_attention:
        return f"a person must decide on it: it is {order.summary}"
    if _is_refunding(order):
        return "a refund has not settled"
    match order.status:
        case OrderStatus.FULFILLED | OrderStatus.EXPIRED | OrderStatus.CANCELLED | OrderStatus.DECLINED:
            return None
        case OrderStatus.CONFIRMED:
            ends = stay_ends(order)
            return f"the guest stays until {ends - timedelta(days=1):%Y-%m-%d}" if now < ends else None
        case (
            OrderStatus.PENDING_PAYMENT
            | OrderStatus.AWAITING_APPROVAL
            | OrderStatus.CAPTURING
            | OrderStatus.EXPIRING
            | OrderStatus.CANCELLING
            | OrderStatus.NEEDS_REVIEW
        ):
            return f"it is {order.status}"
        case _:
            assert_never(order.status)


def _is_refunding(order: Order) -> bool:
    """Whether a refund has been asked for that the PSP has not reported. By the sums: older versions have no stages."""
    moving = (RefundStage.REQUESTED, RefundStage.PENDING)
    if any(each.is_second_charge and each.stage in moving for each in order.refunds):
        return True
    return asked_of(order.refunds) > (order.refunded.in_hundredths if order.refunded else 0)


def stay_ends(order: Order) -> datetime:
    """The midnight after the day of departure, at the property."""
    return datetime.combine(min(order.guest.stay_to, _LAST_DAY) + timedelta(days=1), time(), ZoneInfo(order.time_zone))


def own_pseudonym(order_id: OrderId) -> str:
    """For an order that is erased by age: one of its own, so that the orders of a guest are no longer connected."""
    return f"erased-{order_id.removeprefix('ord_')[:16]}"


def _with_deadline(order: Order, now: datetime) -> Order:
    ends = stay_ends(order)
    if order.status is OrderStatus.CONFIRMED and now < ends:
        return order.model_copy(update={"due_at": ends})
    is_left_over = order.due_at == ends and order.status not in (_S.PENDING_PAYMENT, _S.AWAITING_APPROVAL)
    return order.model_copy(update={"due_at": None}) if is_left_over else order


def _without_guest(order: Order, pseudonym: str) -> Order:
    erasure = Erasure(order.guest.guest_id, order.guest.property_id, pseudonym)
    return Order.model_validate(erasure.of(order.model_dump(mode="json")))
