"""How long the desk's lists take, by the number of orders that the store holds.

    python -m benchmarks.desk                       # 1,000 and 10,000 orders
    python -m benchmarks.desk --orders 1000000      # 45 minutes on a busy machine

A store of its own, filled with orders five minutes apart: 288 a day, of which a large property gets 252 and a small one
36. Each has a line two days later, and one in four a line without a day as well; the guests stay for five nights. Those
of the last three days are confirmed, one in ten of the others has expired, one in 10,000 is under review. No broker and
no gateway: the lists are read by the extras service's own code. Each question is asked again and again; what is noted
is its time, the store's processor time within it, and how many orders it brings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from benchmarks.audit import order
from benchmarks.figures import Measured, show
from benchmarks.growth import stored_as
from benchmarks.stored import APART, empty_store, insert
from chassis.messaging.envelope import utc_now
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import collect_garbage_rarely
from chassis.storage.store import Store
from chassis.storage.stored_document import document_of
from contracts.desk import GetDaySheet, ListPropertyOrders, OrderFilter, PropertyOrders
from contracts.orders import OrderLine, OrderStatus
from deploy.local.store import Store as Server
from extras_service.collections import ExtrasStore
from extras_service.desk_lists import DeskLists

REPEATED = 20
EXTRAS = 20
ORDERED_AHEAD = timedelta(days=2)
NIGHTS = timedelta(days=5)
_DATABASE = "desk"
_LARGE, _SMALL = "alpenhof", "seaside"
_GUEST = order(0).guest

console = Console(highlight=False)


def main(
    orders: Annotated[list[int], typer.Option(min=1_000, max=1_000_000, help="Orders in the store.")] = [  # noqa: B006
        1_000,
        10_000,
    ],
) -> None:
    """Fill a store step by step, and print how long each list of the desk takes."""
    measured = Measured()
    collect_garbage_rarely()  # as a service does
    with empty_store() as server:
        asyncio.run(_measure(server, measured, sorted(orders)))
    show(console, "desk", measured.figures)


async def _measure(server: Server, measured: Measured, steps: list[int]) -> None:
    store, now, stored = Store(server.url, _DATABASE, Metrics("desk"), timeout=60), utc_now(), 0
    try:
        extras = ExtrasStore(store)
        await extras.prepare()
        for number in steps:
            await asyncio.to_thread(insert, server.url, _DATABASE, "orders", _orders(range(stored, number), now))
            stored = number
            for what, ask in _questions(DeskLists(extras.orders), now, number):
                await _note(measured, f"{number:,} stored: {what}", server, ask)
        memory = psutil.Process(server.pid).memory_info().rss
        measured.note(f"{stored:,} stored: the store's memory", "MiB", memory / 2**20)
    finally:
        store.close()


Ask = Callable[[], Awaitable[int]]


def _questions(lists: DeskLists, now: datetime, stored: int) -> list[tuple[str, Ask]]:
    """Each answers with how many orders or lines it has brought."""

    def listed(only: OrderFilter, after: str | None = None) -> Ask:
        async def ask() -> int:
            page = await lists.page(ListPropertyOrders(property_id=_LARGE, only=only, after=after))
            assert isinstance(page, PropertyOrders)
            return len(page.orders)

        return ask

    async def second_page() -> int:
        first = await lists.page(ListPropertyOrders(property_id=_LARGE))
        assert isinstance(first, PropertyOrders)
        return await listed(OrderFilter(), first.next)()

    def sheet(property_id: str) -> Ask:
        async def ask() -> int:
            found = await lists.sheet(GetDaySheet(property_id=property_id, day=now.date()))
            assert found.is_complete
            assert found.any_day_is_complete
            return sum(len(extra.lines) for extra in (*found.extras, *found.any_day))

        return ask

    middle = stored // 2
    return [
        ("the newest page", listed(OrderFilter())),
        ("two pages", second_page),
        ("what needs a person", listed(OrderFilter(needs_attention=True))),
        ("a reservation", listed(OrderFilter(reservation_id=_reservation(middle)))),
        ("a guest", listed(OrderFilter(guest_id=_guest(middle)))),
        ("an order", listed(OrderFilter(order_id=order(middle).order_id))),
        ("an extra", listed(OrderFilter(extra_id="extra-7"))),
        ("a day", listed(OrderFilter(day=_day(middle, now)))),
        ("a status that few have", listed(OrderFilter(status=OrderStatus.NEEDS_REVIEW))),
        ("a status that most have", listed(OrderFilter(status=OrderStatus.FULFILLED))),
        ("today's day sheet", sheet(_LARGE)),
        ("today's day sheet of the small property", sheet(_SMALL)),
    ]


async def _note(measured: Measured, what: str, server: Server, ask: Ask) -> None:
    process, brought = psutil.Process(server.pid), await ask()
    before = sum(process.cpu_times()[:2])
    for _ in range(REPEATED):
        began = monotonic()
        await ask()
        measured.note(f"{what} ({brought})", "ms", (monotonic() - began) * 1000)
    used = sum(process.cpu_times()[:2]) - before
    measured.note(f"{what}, the store's processor time", "ms", used / REPEATED * 1000)


def _guest(number: int) -> str:
    return f"guest-{number // 2}"


def _reservation(number: int) -> str:
    return f"R-{number // 2}"


def _day(number: int, now: datetime) -> date:
    return (now - number * APART + ORDERED_AHEAD).date()


def _orders(numbers: range, now: datetime) -> Iterator[dict[str, Any]]:
    for number in numbers:
        created = now - number * APART
        status = _status(number)
        property_id = _SMALL if number % 8 == 3 else _LARGE
        any_day = (_line(number + 1, None),) if number // 8 % 4 == 0 else ()
        guest = {
            "guest_id": _guest(number),
            "property_id": property_id,
            "reservation_id": _reservation(number),
            "stay_from": created.date(),
            "stay_to": created.date() + NIGHTS,
        }
        state = order(number).model_copy(
            update={
                "created_at": created,
                "guest_key": f"{property_id}/{_guest(number)}",
                "guest": _GUEST.model_copy(update=guest),
                "lines": (_line(number, _day(number, now)), *any_day),
                "status": status,
            }
        )
        waits = created if status is OrderStatus.NEEDS_REVIEW else None
        yield document_of(replace(stored_as(state, 4, sent=True), attention_since=waits), now, None)


def _status(number: int) -> OrderStatus:
    if number % 10_000 == 5_000:
        return OrderStatus.NEEDS_REVIEW
    if number * APART < timedelta(days=3):
        return OrderStatus.CONFIRMED
    return OrderStatus.EXPIRED if number % 10 == 0 else OrderStatus.FULFILLED


def _line(number: int, day: date | None) -> OrderLine:
    price = {"amount": 2400, "currency": "EUR"}
    return OrderLine.model_validate(
        {
            "extra_id": f"extra-{number % EXTRAS}",
            "name": {"en": "Breakfast buffet", "de": "Frühstücksbuffet"},
            "quantity": 1,
            "day": day,
            "unit_price": price,
            "line_total": price,
        }
    )


if __name__ == "__main__":
    typer.run(main)
