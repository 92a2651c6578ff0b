"""Lists of a property's orders for its desk: searched, paged and by day."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from chassis.closing.day import is_on, window
from chassis.decision import Refused
from chassis.storage.cursors import NO_CURSOR, cursor_of, position_of
from chassis.storage.documents import Documents, Listed, Position
from contracts.closing import ClosingOrder, ClosingOrdersReply, ListClosingOrders
from contracts.desk import DaySheet, GetDaySheet, ListPropertyOrders, OrderFilter, PropertyOrders
from contracts.orders import OrderStatus
from extras_service.order.day_sheet import SHOWN, sheet_of
from extras_service.order.disputes import UNDECIDED
from extras_service.order.staff_view import staff_view
from extras_service.order.state import Order, guest_key

MOST_READ = 1_000
"""Orders read for one page: where few of them meet the conditions, the page is short, and the next one goes on."""
MOST_ON_A_SHEET = 2_000
"""Orders with lines for a day that one day sheet holds, and as many with lines for any day."""
MOST_UNLISTED = 500
"""Confirmed orders, the newest, that are looked at for lines without a day although they do not list their days."""

PROPERTY = "guest.property_id"
INDEXED = (
    PROPERTY,
    f"{PROPERTY}+status",
    f"{PROPERTY}+lines.day",
    f"{PROPERTY}+lines.extra_id",
    f"{PROPERTY}+guest.reservation_id",
    f"{PROPERTY}+disputed",
    f"{PROPERTY}+status+awaited_on",
)
"""The indexes of these lists, beside the one of a guest's orders; each ends with the time of creation."""


@dataclass(frozen=True, slots=True)
class _Search:
    """The index that finds the fewest orders, with its values."""

    where: Mapping[str, str]
    at_once: bool = False
    """There are few of them."""


class DeskLists:
    def __init__(self, orders: Documents[Order]) -> None:
        self._orders = orders

    async def page(self, query: ListPropertyOrders) -> PropertyOrders | Refused:
        """The orders that meet every condition. One condition finds them, the others are applied to what it finds.

        Raises StoreUnavailableError.
        """
        try:
            before = position_of(query.after)
        except ValueError:
            return NO_CURSOR
        found: list[Order] = []
        read, last = 0, None
        async with aclosing(self._found(query, before)) as candidates:
            async for listed in candidates:
                if len(found) == query.limit or read == MOST_READ:
                    return PropertyOrders(orders=tuple(map(staff_view, found)), next=cursor_of(last))
                read, last = read + 1, listed.position
                if _meets(listed.state, query):
                    found.append(listed.state)
        return PropertyOrders(orders=tuple(map(staff_view, found)))

    async def sheet(self, query: GetDaySheet) -> DaySheet:
        """What is due on a day, and on any day. Raises StoreUnavailableError."""
        property_id, day = query.property_id, query.day.isoformat()
        confirmed = {PROPERTY: property_id, "status": OrderStatus.CONFIRMED}
        dated, all_dated = await self._due({PROPERTY: property_id, "lines.day": day}, MOST_ON_A_SHEET, at_once=True)
        awaited, all_awaited = await self._due({**confirmed, "awaited_on": day}, MOST_ON_A_SHEET, at_once=True)
        # Of long stays, or stored by versions that list no days.
        unlisted, all_unlisted = await self._due({**confirmed, "awaited_on": None}, MOST_UNLISTED)
        sheet = sheet_of(property_id, query.day, dated, (*awaited, *unlisted))
        complete = {"is_complete": all_dated, "any_day_is_complete": all_awaited and all_unlisted}
        return sheet.model_copy(update=complete)

    async def _due(
        self, where: Mapping[str, str | None], most: int, *, at_once: bool = False
    ) -> tuple[list[Order], bool]:
        """The newest orders of a sheet, and whether these are all."""
        orders: list[Order] = []
        async with aclosing(self._orders.newest_first(where, at_once=at_once)) as listed:
            async for each in listed:
                if each.state.status in SHOWN:
                    if len(orders) == most:
                        return orders, False
                    orders.append(each.state)
        return orders, True

    async def closing(self, query: ListClosingOrders) -> ClosingOrdersReply | Refused:
        """The property's orders that were placed on the day, in pages; without a day, those with these ids.

        Raises StoreUnavailableError.
        """
        if query.day is None:
            named = [order for _, order in await self._orders.load_many(query.order_ids)]
            return _closing_reply([order for order in named if order.guest.property_id == query.property_id])
        begin, end = window(query.day)
        try:
            before = position_of(query.after) or Position(end.isoformat(), "")
        except ValueError:
            return NO_CURSOR
        placed: list[Order] = []
        read, last = 0, None
        async with aclosing(self._orders.newest_first({PROPERTY: query.property_id}, before=before)) as candidates:
            async for listed in candidates:
                if listed.state.created_at < begin:
                    break
                if read == MOST_READ:
                    return _closing_reply(placed, last)
                read, last = read + 1, listed.position
                if is_on(listed.state.created_at, query.day, listed.state.time_zone):
                    placed.append(listed.state)
        return _closing_reply(placed)

    def _found(self, query: ListPropertyOrders, before: Position | None) -> AsyncGenerator[Listed[Order], None]:
        if query.only.order_id is not None:
            return self._one(query.only.order_id, before)
        if query.only.needs_attention:
            return self._waiting(before)
        search = _search_of(query.property_id, query.only)
        return self._orders.newest_first(search.where, before=before, at_once=search.at_once)

    async def _one(self, order_id: str, before: Position | None) -> AsyncGenerator[Listed[Order], None]:
        for since, order in await self._orders.load_many([order_id]):
            position = Position(order.created_at.isoformat(), order.order_id)
            if before is None:
                yield Listed(position, order, since)

    async def _waiting(self, after: Position | None) -> AsyncGenerator[Listed[Order], None]:
        """Orders of all properties that need attention, the longest waiting first."""
        since = datetime.fromisoformat(after.created_at) if after else None
        while True:
            page = await self._orders.needing_attention(MOST_READ, since)
            positions = [Position(began.isoformat(), order.order_id) for began, order in page]
            for position, (began, order) in sorted(zip(positions, page, strict=True), key=lambda each: each[0]):
                if after is None or position > after:
                    yield Listed(position, order, began)
            if len(page) < MOST_READ or page[-1][0] == since:
                return
            after, since = max(positions), page[-1][0]


def _search_of(property_id: str, only: OrderFilter) -> _Search:
    match only:
        case OrderFilter(reservation_id=str(reservation)):
            return _Search({PROPERTY: property_id, "guest.reservation_id": reservation}, at_once=True)
        case OrderFilter(guest_id=str(guest)):
            return _Search({"guest_key": guest_key(guest, property_id)}, at_once=True)
        case OrderFilter(disputed=True):
            return _Search({PROPERTY: property_id, "disputed": UNDECIDED}, at_once=True)
        case OrderFilter(day=day) if day is not None:
            return _Search({PROPERTY: property_id, "lines.day": day.isoformat()}, at_once=True)
        case OrderFilter(extra_id=str(extra)):
            return _Search({PROPERTY: property_id, "lines.extra_id": extra})
        case OrderFilter(status=status) if status is not None:
            return _Search({PROPERTY: property_id, "status": status})
        case _:
            return _Search({PROPERTY: property_id})


def _meets(order: Order, query: ListPropertyOrders) -> bool:
    only, guest = query.only, order.guest
    return (
        guest.property_id == query.property_id
        and only.status in (None, order.status)
        and (not only.needs_attention or order.needs_attention)
        and (not only.disputed or bool(order.open_disputes))
        and only.guest_id in (None, guest.guest_id)
        and only.reservation_id in (None, guest.reservation_id)
        and (only.day is None or any(line.day == only.day for line in order.lines))
        and (only.extra_id is None or any(line.extra_id == only.extra_id for line in order.lines))
    )


def _closing_reply(orders: Sequence[Order], last: Position | None = None) -> ClosingOrdersReply:
    return ClosingOrdersReply(orders=tuple(map(ClosingOrder.model_validate, orders)), next=cursor_of(last))
