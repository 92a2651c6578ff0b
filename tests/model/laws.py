"""What must hold in every world, whatever happened before."""

from collections.abc import Callable, Mapping

from contracts.orders import OrderStatus
from extras_service.order import Order
from payment_service.payment import Payment, RefundStage
from tests.model.psp import TOTAL, UNPAID, Psp
from tests.model.rules import Book
from tests.model.world import Model, World

CLOSED = (OrderStatus.EXPIRED, OrderStatus.CANCELLED)
KEPT = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
FINAL = (*CLOSED, *KEPT, OrderStatus.NEEDS_REVIEW)

Law = Callable[[Order, Payment | None, Psp], bool]


def confirmed_means_captured(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """A confirmed order was paid in full, unless staff accepted it as it is."""
    return order.status not in KEPT or order.accepted or any(each.captured == TOTAL for each in psp.sessions)


def refunds_never_exceed_what_was_captured(order: Order, payment: Payment | None, psp: Psp) -> bool:
    """Neither at the PSP nor in what we asked of it (the dashboard's refunds are not ours to count)."""
    if payment is not None and not any(refund.refund_id.startswith("re_") for refund in psp.refunds):
        asked = payment.refunded(RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED)
        if payment.received is not None and asked.amount > payment.received.amount:
            return False
    return all(psp.returned(number) <= each.captured for number, each in enumerate(psp.sessions, start=1))


def no_refund_is_made_twice(_order: Order, _payment: Payment | None, psp: Psp) -> bool:
    ids = [refund.refund_id for refund in psp.refunds]
    return len(ids) == len(set(ids))


def order_and_payment_agree_about_what_came(order: Order, payment: Payment | None, _psp: Psp) -> bool:
    """An order never knows of money its payment does not."""
    return order.received is None or (payment is not None and payment.received == order.received)


ALWAYS: Mapping[str, Law] = {
    "never confirmed without the full amount captured": confirmed_means_captured,
    "refunds never exceed what was captured": refunds_never_exceed_what_was_captured,
    "no refund is made twice": no_refund_is_made_twice,
    "an order never knows of money its payment does not": order_and_payment_agree_about_what_came,
}
"""Laws of every world."""


def a_closed_order_keeps_no_money(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return order.status not in CLOSED or psp.held_in_all == 0


def nobody_pays_twice(_order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return psp.held_in_all <= TOTAL


def no_session_is_left_open(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Not even one that a late command has opened again, once the PSP has named it."""
    is_open = any(each.told and each.status in UNPAID for each in psp.sessions)
    return order.status is OrderStatus.NEEDS_REVIEW or not is_open


def no_order_is_stuck(order: Order, _payment: Payment | None, _psp: Psp) -> bool:
    return order.status in FINAL


def the_order_knows_what_was_refunded(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    """Of the session that paid for it; a second charge is given back without it."""
    if order.received is None or order.status is OrderStatus.NEEDS_REVIEW:
        return True
    told = order.refunded.amount if order.refunded else 0
    return any(each.captured and psp.returned(number) == told for number, each in enumerate(psp.sessions, start=1))


def the_order_knows_what_was_captured(order: Order, _payment: Payment | None, psp: Psp) -> bool:
    return psp.captured_in_all == 0 or order.received is not None


def no_refund_is_forgotten(_order: Order, payment: Payment | None, _psp: Psp) -> bool:
    return payment is None or all(refund.stage is not RefundStage.REQUESTED for refund in payment.refunds)


AT_REST: Mapping[str, Law] = {
    "a closed order keeps no money, unless a refund or review is open": a_closed_order_keeps_no_money,
    "nobody pays twice": nobody_pays_twice,
    "no order is stuck": no_order_is_stuck,
    "no session is left open": no_session_is_left_open,
    "the order knows what was captured": the_order_knows_what_was_captured,
    "the order knows what was refunded": the_order_knows_what_was_refunded,
    "no refund is forgotten": no_refund_is_forgotten,
}
"""Laws of a world in which nothing is under way and nothing is going to be looked at again."""


class Laws:
    """Which laws a world breaks. They see order, payment and PSP only, so each combination is judged once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._judged: dict[tuple[int, int, int, bool], tuple[str, ...]] = {}

    def broken(self, world: World) -> tuple[str, ...]:
        resting = self._model.is_at_rest(world)
        key = (world.order, world.payment, world.psp, resting)
        if key not in self._judged:
            self._judged[key] = tuple(
                _broken(self._model.book, world, ALWAYS if not resting else {**ALWAYS, **AT_REST})
            )
        return self._judged[key]

    def is_final(self, world: World) -> bool:
        """At rest where a hotel can defend it."""
        order = self._model.book.orders[world.order]
        return order is not None and order.status in FINAL and self._model.is_at_rest(world)


def _broken(book: Book, world: World, laws: Mapping[str, Law]) -> list[str]:
    order = book.orders[world.order]
    if order is None:
        return ["an order is never lost"]
    return [
        name for name, holds in laws.items() if not holds(order, book.payments[world.payment], book.psps[world.psp])
    ]
