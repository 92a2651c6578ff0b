"""How long the trace of an order takes on a full message log.

    python -m benchmarks.trace                       # 200,000 messages
    python -m benchmarks.trace --messages 1000000

A broker and a store of its own. The log is filled with copies of one event, each about another order; the traced
order is placed at a tenth of it and paid at nine tenths. A system that serves 25 orders a second writes 300 messages.
"""

import asyncio
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import aiormq
import typer
from rich.console import Console

from benchmarks.audit import order, suffix
from chassis.messaging.envelope import utc_now
from chassis.messaging.headers import SENT_AT_MS
from chassis.runtime.metrics import Metrics
from chassis.storage.history import Transition
from chassis.storage.stored_document import Stored
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from contracts.topology import COPIES, EVENTS, copy_key
from deploy.local.broker import broker_for
from deploy.local.store import store_for
from extras_service.collections import ExtrasStore
from ops.core.message_log.stream import LogStream
from ops.core.target import Target
from ops.core.trace.collect import story_of

REPEATED = 3
_CONFIRMED_EVERY = 256

console = Console(highlight=False)


def main(
    messages: Annotated[int, typer.Option(min=1_000, help="Messages in the log.")] = 200_000,
    rate: Annotated[int, typer.Option(min=100, help="Messages a second while it is filled.")] = 1_000,
) -> None:
    """Fill a log, and trace one order in it: around its changes, and by the whole log."""
    with tempfile.TemporaryDirectory(prefix="bellhop-trace-") as folder:
        broker, store = broker_for(Path(folder)), store_for(Path(folder))
        try:
            broker.start()
            store.start()
            asyncio.run(_measure(Target(broker.url, store.url, "", None), messages, rate))
        finally:
            store.stop()
            broker.stop()


async def _measure(target: Target, messages: int, rate: int) -> None:
    async with target.bus("benchmark", Metrics("benchmark")):
        pass  # it has declared the topology
    began = time.monotonic()
    times = await _fill(target, messages, rate)
    await _store(target, times)
    console.print(f"{messages:,} messages in the log, written in {time.monotonic() - began:.0f} s")
    for what, is_whole, repeated in (("around its changes", False, REPEATED), ("by the whole log", True, 1)):
        for _ in range(repeated):
            began, processor = time.monotonic(), time.process_time()
            story = await story_of(target, order(0).order_id, whole_log=is_whole)
            console.print(
                f"  a trace {what}: {time.monotonic() - began:.2f} s, {time.process_time() - processor:.2f} s of its "
                f"processor time, {len(story.steps)} steps"
            )
            console.print(*story.remarks, sep="\n", soft_wrap=True)


async def _fill(target: Target, messages: int, rate: int) -> list[datetime]:
    """Fill the log. Returns when the traced order's messages were sent."""
    connection = await aiormq.connect(target.amqp_url)
    channel = await connection.channel(publisher_confirms=True)
    times, waiting, began = list[datetime](), list[asyncio.Future[object]](), time.monotonic()
    for number in range(messages):
        is_traced = number in (messages // 10, messages * 9 // 10)
        if is_traced:
            times.append(utc_now())
        sending = _send(channel, OrderId(f"ord_{suffix(0 if is_traced else number + 1)}"), number)
        waiting.append(asyncio.ensure_future(sending))
        if len(waiting) == _CONFIRMED_EVERY:
            await asyncio.gather(*waiting)
            waiting.clear()
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
    await asyncio.gather(*waiting)
    await connection.close()
    async with target.connection() as reading:
        newest = await LogStream(reading).newest()
    assert newest is not None
    assert newest + 1 >= messages
    return times


async def _send(channel: aiormq.abc.AbstractChannel, order_id: OrderId, number: int) -> None:
    event = OrderExpired(order_id=order_id, guest_id=GuestId("anna"), property_id=PropertyId("alpenhof"))
    now = utc_now()
    await channel.basic_publish(
        event.to_wire(),
        exchange=COPIES.name,
        routing_key=copy_key(EVENTS.name, event.kind),
        properties=aiormq.spec.Basic.Properties(
            delivery_mode=2,
            message_id=f"{order_id}.{number}.0.5d41402abc4b2a76",
            correlation_id=f"{order_id}.{number}",
            message_type=event.kind,
            timestamp=now,
            app_id="extras_service",
            headers={SENT_AT_MS: int(now.timestamp() * 1000)},
        ),
    )


async def _store(target: Target, times: list[datetime]) -> None:
    traced = order(0).model_copy(update={"created_at": times[0]})
    store = target.store(Metrics("benchmark"))
    history = tuple(
        Transition(version, at, f"m{version}", "test.v1", traced.summary) for version, at in enumerate(times, 1)
    )
    try:
        extras = ExtrasStore(store)
        await extras.prepare()
        await extras.orders.write(Stored(traced.order_id, 1, traced, history=history), now=times[-1], due_at=None)
    finally:
        store.close()


if __name__ == "__main__":
    typer.run(main)
