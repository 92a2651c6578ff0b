"""The day sheet: what a property owes its guests on one day. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date

from contracts.desk import DaySheet, SheetExtra, SheetLine
from contracts.ids import PropertyId
from contracts.orders import OrderLine, OrderStatus
from extras_service.order.state import Order

SHOWN = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
"""Orders under review are not on the sheet: a person decides first whether the guest receives anything."""


def sheet_of(property_id: PropertyId, day: date, orders: Iterable[Order], open_ones: Iterable[Order] = ()) -> DaySheet:
    """What `orders` are owed on the day, and `open_ones` on any day of their stay."""
    return DaySheet(
        property_id=property_id,
        day=day,
        extras=_by_extra((line, shown) for line, shown in _lines(orders) if line.day == day),
        any_day=_by_extra(
            (line, shown)
            for line, shown in _lines(order for order in open_ones if is_awaited(order, day))
            if line.day is None and not shown.is_fulfilled
        ),
    )


def is_awaited(order: Order, day: date) -> bool:
    """Whether its guest, who stays on this day, may still be owed something."""
    return order.status is OrderStatus.CONFIRMED and order.guest.stay_from <= day <= order.guest.stay_to


def _lines(orders: Iterable[Order]) -> Iterator[tuple[OrderLine, SheetLine]]:
    for order in orders:
        for number, line in order.owed.items():
            yield line, _sheet_line(order, number, line)


def _by_extra(due: Iterable[tuple[OrderLine, SheetLine]]) -> tuple[SheetExtra, ...]:
    of_extra: dict[str, list[tuple[OrderLine, SheetLine]]] = {}
    for line, shown in due:
        of_extra.setdefault(line.extra_id, []).append((line, shown))
    extras = [
        SheetExtra(
            extra_id=lines[0][0].extra_id,
            name=lines[0][0].name,
            quantity=sum(line.quantity for line, _ in lines),
            lines=tuple(sorted((shown for _, shown in lines), key=_by_time)),
        )
        for lines in of_extra.values()
    ]
    return tuple(sorted(extras, key=lambda extra: (_by_time(extra.lines[0])[0], extra.extra_id)))


def _sheet_line(order: Order, number: int, line: OrderLine) -> SheetLine:
    return SheetLine(
        order_id=order.order_id,
        line=number,
        reservation_id=order.guest.reservation_id,
        guest_id=order.guest.guest_id,
        quantity=line.quantity,
        at=line.slot,
        is_fulfilled=order.status is OrderStatus.FULFILLED
        or any(each.line == number for each in order.fulfilled_lines),
    )


def _by_time(line: SheetLine) -> tuple[str, str, str]:
    """What is due at any time comes first: it is prepared in the morning."""
    return line.at or "", line.reservation_id, line.order_id
