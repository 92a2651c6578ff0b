"""Describes a payment for the hotel's staff at the PSP."""

from chassis.text import cut
from contracts.orders import OrderLine
from extras_service.order.state import Order

_LONGEST = 450
"""Characters, before the note of a cut. The message takes 500."""


def payment_description(order: Order) -> str:
    """Property, order and extras in one line of printable text: `alpenhof: ord_…: 2 x Breakfast buffet`.

    Of the order's stored lines alone, so that every request for a session of one order has the same text.
    """
    text = f"{order.guest.property_id}: {order.order_id}: {', '.join(map(_described, order.lines))}"
    return cut("".join(each if each.isprintable() else " " for each in text), _LONGEST)


def _described(line: OrderLine) -> str:
    name = line.name.get("en") or next(iter(line.name.values()), line.extra_id)
    return f"{line.quantity} x {name}"
