"""What the store does for one order, one sweep and one list, by the number of orders that it holds.

    python -m benchmarks.growth                     # 1,000 and 10,000 settled orders
    python -m benchmarks.growth --orders 100000

A store of its own, filled with copies of one order that were placed five minutes apart. No broker and no service: the
documents are written and found as the services and `bellhop` do it. Processor time and documents, never seconds: both
stay the same on a busy machine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from benchmarks.audit import order
from benchmarks.figures import Measured, show
from benchmarks.stored import APART, empty_store, insert
from chassis.messaging.envelope import Delivery, Envelope, utc_now
from chassis.runtime.metrics import Metrics
from chassis.storage.history import Transition
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored, document_of
from contracts.orders import OrderExpired, OrderStatus
from deploy.local.store import Store as Server
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order

REPEATED = 40
LIST = 200
_DATABASE = "growth"

console = Console(highlight=False)


def main(
    orders: Annotated[list[int], typer.Option(min=1, max=1_000_000, help="Settled orders in the store.")] = [  # noqa: B006
        1_000,
        10_000,
    ],
) -> None:
    """Fill a store step by step, and print what each question costs it."""
    measured = Measured()
    measure(measured, orders)
    show(console, "growth", measured.figures)


def measure(measured: Measured, orders: list[int]) -> None:
    """Note what each question costs a store that is filled step by step."""
    with empty_store() as server:
        asyncio.run(_measure(server, measured, sorted(orders)))


async def _measure(server: Server, measured: Measured, steps: list[int]) -> None:
    store, now, stored = Store(server.url, _DATABASE, Metrics("growth"), timeout=60), utc_now(), 0
    try:
        extras = ExtrasStore(store)
        documents = extras.orders
        await extras.prepare()
        for number in steps:
            await asyncio.to_thread(_fill, server.url, range(stored, number), now)
            stored = number
            for what, work, times in _questions(documents, number):
                measured.note(f"{number:,} stored: {what}", "ms", await _milliseconds(server, work, times))
    finally:
        store.close()


Work = Callable[[], Awaitable[object]]


def _questions(documents: Any, stored: int) -> list[tuple[str, Work, int]]:
    """Each with how often it is asked."""
    written = iter(range(stored * 1_000, stored * 1_000 + REPEATED))

    async def one_order() -> None:
        new = order(next(written))
        for version in range(1, 5):
            state = new.model_copy(update={"created_at": utc_now()})
            assert await documents.write(stored_as(state, version), now=utc_now(), due_at=None)
        await documents.clear_outboxes({new.order_id: 4})

    async def all_ids() -> None:
        found = [order_id for status in OrderStatus async for order_id in documents.all_ids(status=status)]
        assert len(found) >= stored

    return [
        ("an order: four writes and a clearing", one_order, REPEATED),
        ("a sweep of deadlines", lambda: documents.due(utc_now(), LIST), REPEATED),
        ("a look at outboxes", lambda: documents.unsent_since(utc_now() - APART), REPEATED),
        ("a guest's orders", lambda: documents.find(50, guest_key="alpenhof/guest-1"), REPEATED),
        (f"the newest {LIST} of a status", lambda: documents.newest(LIST, status=OrderStatus.CONFIRMED), 5),
        ("the ids of all orders, for an audit", all_ids, 1),
    ]


async def _milliseconds(server: Server, work: Work, times: int) -> float:
    process = psutil.Process(server.pid)
    before = sum(process.cpu_times()[:2])
    for _ in range(times):
        await work()
    return float(sum(process.cpu_times()[:2]) - before) / times * 1000


def _fill(url: str, numbers: range, now: datetime) -> None:
    def settled() -> Iterator[dict[str, Any]]:
        for number in numbers:
            created = {"created_at": now - number * APART, "guest_key": f"alpenhof/guest-{number}"}
            yield document_of(stored_as(order(number).model_copy(update=created), 4, sent=True), now, None)

    insert(url, _DATABASE, "orders", settled())


def stored_as(state: Order, version: int, *, sent: bool = False) -> Stored[Order]:
    """A document as it is after so many messages."""
    names = [f"{state.payment_id}.{number}.0.5d41402abc4b2a76" for number in range(version)]
    delivery = Delivery(names[-1], "psp.evt_3PqR2sT4uV5wX6yZ", "payments.payment-succeeded.v1")
    history = tuple(Transition.by(delivery, number, state.created_at, state.summary) for number in range(version))
    event = OrderExpired(order_id=state.order_id, guest_id=state.guest.guest_id, property_id=state.guest.property_id)
    outbox = () if sent else (Envelope(event, f"{names[-1]}.0", delivery.correlation_id),)
    return Stored(state.order_id, version, state, tuple(names), outbox, history, life="0123456789ab")


if __name__ == "__main__":
    typer.run(main)
