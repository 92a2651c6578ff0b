"""A message that ends the connection before anything can be done about it: its neighbours are not given up with it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pamqp.frame
import pytest
from pamqp.exceptions import UnmarshalingException

from chassis.decision import Done, Outcome
from chassis.messaging.amqp import connection_for_tools
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import Delivery, Envelope
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId
from contracts.orders import PlaceOrder
from contracts.topology import EXTRAS_COMMANDS
from deploy.local.broker import Broker
from tests.support.orders import guest, line
from tests.support.waiting import PATIENCE, until

INNOCENT = 12
POISON = "msg-poison"
MANY_RECONNECTS = 4 * PATIENCE


@pytest.fixture
def vhost(broker: Broker) -> Iterator[str]:
    url = broker.new_vhost("poison")
    yield url
    broker.drop_vhost("poison")


@pytest.fixture
def a_client_library_with_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its decoder fails where chassis/messaging/amqp_decoding.py does not help."""
    decode = pamqp.frame.unmarshal

    def fail(data: bytes) -> Any:
        if POISON.encode() in data and data[:1] == b"\x02":
            raise UnmarshalingException("ContentHeader", ValueError("a bug of tomorrow"))
        return decode(data)

    monkeypatch.setattr(pamqp.frame, "unmarshal", fail)


def order(message_id: str) -> Envelope:
    placing = PlaceOrder(order_id=OrderId(f"ord_{message_id}"), guest=guest(), lines=(line(),))
    return Envelope(placing, message_id, "cor")


async def publish(url: str, message_ids: list[str]) -> None:
    bus = Bus(url, "sender", Metrics("sender"), publish_timeout=PATIENCE, graceful_timeout=1)
    await bus.start()
    try:
        for message_id in message_ids:
            await bus.publish(order(message_id))
    finally:
        await bus.stop()


@pytest.mark.parametrize("innocent_before", [0, 5], ids=["at the head", "in the middle"])
async def test_a_message_that_ends_every_connection_is_given_up_alone(
    vhost: str, innocent_before: int, a_client_library_with_a_bug: None
) -> None:
    innocent = [f"msg-{number}" for number in range(INNOCENT)]
    await publish(vhost, [*innocent[:innocent_before], POISON, *innocent[innocent_before:]])
    deliveries: dict[str, int] = {}

    async def handle(_: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        await asyncio.sleep(0.05)  # long enough that the neighbours are in hand when the connection ends
        return Done()

    metrics = Metrics("test")
    bus = Bus(vhost, "test", metrics, publish_timeout=5, graceful_timeout=5)
    consumer = Consumer(bus, EXTRAS_COMMANDS, {PlaceOrder: handle}, metrics, "0")

    async def consume(message: Any) -> None:
        lost = message.headers.get("x-delivery-count", 0)
        deliveries[message.message_id] = max(lost, deliveries.get(message.message_id, 0))
        await consumer(message)

    bus.subscribe(EXTRAS_COMMANDS, consume, prefetch=64)
    await bus.start()
    try:
        await until(lambda: depth(vhost, "extras.dead"), "the poison is given up", within=MANY_RECONNECTS)
        await until(lambda: set(innocent) <= set(deliveries), "all others are handled", within=MANY_RECONNECTS)
        await until(lambda: is_empty(vhost), "nothing is left", within=MANY_RECONNECTS)
        assert bus.consuming.prefetch_of(EXTRAS_COMMANDS.name) in (1, 64)
    finally:
        await bus.stop()

    assert await depth(vhost, "extras.dead") == 1
    assert max(deliveries.values()) <= 4, "far from the delivery limit of 20"


async def depth(url: str, queue: str) -> int:
    async with await connection_for_tools(url, "tests", timeout=PATIENCE) as connection:
        declared = await (await connection.channel()).declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def is_empty(url: str) -> bool:
    return await depth(url, EXTRAS_COMMANDS.name) == 0
