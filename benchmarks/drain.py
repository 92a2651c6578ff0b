"""Commands that wait: how fast they are handled, by one instance and by two, and how a stop in the middle ends.

While no extras service runs, orders are placed as the gateway would place them. Then the service is started, asked to
stop when half of them are handled, and started again. Nothing may be missing at the end.
"""

import asyncio
import uuid
from datetime import timedelta
from time import perf_counter

from benchmarks.figures import Measured
from benchmarks.processes import processor_seconds, sums
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope, utc_now
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import Documents
from chassis.storage.store import Store
from contracts import services
from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, ReservationId
from contracts.orders import Guest, PlaceOrder, RequestedLine
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.processes import SERVICES
from deploy.local.stack import LocalStack
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order

WITHIN = 600.0
"""Seconds for all that waits."""
_AT_ONCE = 100


async def drain(stack: LocalStack, measured: Measured, number: int) -> None:
    """Measure one instance, two instances, and a stop in the middle, with so many orders each."""
    extras = stack.part("extras_service")
    bus, store = _bus(stack), Store(stack.store.url, "bellhop", Metrics("drain"), timeout=60)
    orders = ExtrasStore(store, utc_now).orders
    await bus.start()
    try:
        for instances in (1, 2):
            await asyncio.to_thread(extras.stop)
            before = await orders.count()
            await _place(bus, number)
            second = _second_instance(stack) if instances == 2 else None
            spent, began = processor_seconds(stack), perf_counter()
            await asyncio.gather(*(asyncio.to_thread(each.start) for each in (extras, second) if each is not None))
            await _handled(orders, before + number)
            seconds = perf_counter() - began
            used = sums(processor_seconds(stack))["whole"] - sums(spent)["whole"]
            measured.note(f"{instances} instance(s): commands", "1/s", number / seconds)
            measured.note(f"{instances} instance(s): cores in use, without the second instance", "", used / seconds)
            await _all_cleared(orders)
            if second is not None:
                await asyncio.to_thread(second.stop)
        await _stopped(stack, bus, orders, measured, number)
    finally:
        await bus.stop()
        store.close()


async def _stopped(stack: LocalStack, bus: Bus, orders: Documents[Order], measured: Measured, number: int) -> None:
    extras = stack.part("extras_service")
    before = await orders.count()
    for where, share in (("in the middle", 0.5), ("right after the last", 1.0)):
        await asyncio.to_thread(extras.stop)
        await _place(bus, number)
        await asyncio.to_thread(extras.start)
        await _handled(orders, before + int(number * share))
        began = perf_counter()
        await asyncio.to_thread(extras.stop)
        measured.note(f"SIGTERM {where} to the end of the process", "s", perf_counter() - began)
        await asyncio.to_thread(extras.start)
        before += number
        await _handled(orders, before)
        await _all_cleared(orders)
    missing = before - await orders.count()
    measured.note("orders lost", "", missing)


async def _handled(orders: Documents[Order], number: int) -> None:
    async with asyncio.timeout(WITHIN):
        while await orders.count() < number:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0.3)


async def _all_cleared(orders: Documents[Order]) -> None:
    async with asyncio.timeout(WITHIN):
        while (await orders.unsent_since(utc_now()))[0]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.3)


def _bus(stack: LocalStack) -> Bus:
    """As the gateway: no other account may place orders."""
    url = stack.context.accounts.get(services.GATEWAY.replace("-", "_"), stack.broker.url)
    return Bus(url, services.GATEWAY, Metrics("drain"), publish_timeout=30, graceful_timeout=5, declares=False)


async def _place(bus: Bus, number: int) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with turns:
            asked = uuid.uuid4().hex
            await bus.publish(Envelope(_order(asked), f"http.{asked}", asked))

    await asyncio.gather(*(one() for _ in range(number)))


def _order(name: str) -> PlaceOrder:
    day = utc_now().date() + timedelta(days=7)
    guest = Guest(
        guest_id=GuestId(f"drain-{name[:4]}"),
        property_id=PropertyId("alpenhof"),
        reservation_id=ReservationId("R-drain"),
        stay_from=day,
        stay_to=day + timedelta(days=2),
    )
    line = RequestedLine(extra_id=ExtraId("alm-breakfast"), quantity=1, day=day)
    return PlaceOrder(order_id=OrderId(f"ord_{name[:26]}"), guest=guest, lines=(line,))


def _second_instance(stack: LocalStack) -> Process:
    spec = next(spec for spec in SERVICES if spec.name == "extras_service")
    return spec.process(free_port(), stack.context, {})
