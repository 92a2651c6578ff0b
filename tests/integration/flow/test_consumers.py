"""Consumers that are lost while handlers run: by their channel, their connection, or unseen; and that come back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import quote, urlsplit

import aiormq
import httpx
import pytest

from chassis.decision import Done, Outcome
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer, Handler
from chassis.messaging.envelope import Delivery, Envelope
from chassis.runtime.background import run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import bus_checks, bus_loops
from contracts.ids import OrderId
from contracts.orders import PlaceOrder
from contracts.topology import EXTRAS_COMMANDS
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import Guest, Json, body
from tests.support.orders import guest, line
from tests.support.system import SERVICES, System, system_on
from tests.support.waiting import PATIENCE, until

ORDERS = 12


@pytest.fixture
def vhost(broker: Broker) -> Iterator[str]:
    url = broker.new_vhost("consumers")
    yield url
    broker.drop_vhost("consumers")


@asynccontextmanager
async def consuming(url: str, handle: Handler) -> AsyncIterator[Bus]:
    """A bus whose extras.commands are given to `handle`."""
    metrics = Metrics("test")
    bus = Bus(url, "test", metrics, publish_timeout=5, graceful_timeout=5)
    consumer = Consumer(bus, EXTRAS_COMMANDS, {PlaceOrder: handle}, metrics, "0")
    bus.subscribe(EXTRAS_COMMANDS, consumer, prefetch=8)
    await bus.start()
    try:
        async with run_loops(bus_loops(bus)):
            yield bus
    finally:
        await bus.stop()


def order(number: int) -> Envelope:
    placing = PlaceOrder(order_id=OrderId(f"ord_{number}"), guest=guest(), lines=(line(),))
    return Envelope(placing, f"msg-{number}", f"cor-{number}")


async def consumer_of(bus: Bus) -> tuple[aiormq.Channel, str]:
    """The channel and the tag of the bus's one consumer, as the AMQP library has them."""
    subscriber = bus._subscribers[EXTRAS_COMMANDS.name]
    assert subscriber._queue_obj is not None
    assert subscriber._consumer_tag is not None
    channel = await subscriber._queue_obj.channel.get_underlay_channel()
    return cast(aiormq.Channel, channel), subscriber._consumer_tag


async def test_messages_that_wait_when_a_service_starts_are_all_handled(vhost: str) -> None:
    handled: set[str] = set()

    async def handle(_: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        handled.add(delivery.message_id)
        return Done()

    before = Bus(vhost, "before", Metrics("before"), publish_timeout=PATIENCE, graceful_timeout=1)
    await before.start()
    for number in range(ORDERS):
        await before.publish(order(number))
    await before.stop()

    async with consuming(vhost, handle):
        assert await until(lambda: len(handled) == ORDERS, "every message that waited is handled")


async def test_a_channel_lost_mid_handler_delivers_the_message_again_and_goes_on(vhost: str) -> None:
    handled: list[str] = []

    async def handle(_: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        handled.append(delivery.message_id)
        if handled == ["msg-1"]:
            channel, _tag = await consumer_of(bus)
            await channel.basic_ack(
                delivery_tag=9999
            )  # the broker closes a channel that acknowledges what it never got
            await channel.closing
        return Done()

    async with consuming(vhost, handle) as bus:
        await bus.publish(order(1))
        await until(lambda: handled.count("msg-1") == 2, "the message is handled again")
        await bus.publish(order(2))
        await until(lambda: "msg-2" in handled, "the next message is handled")

        assert await bus_checks(bus)["consumers"]() is None


async def test_a_consumer_lost_without_a_word_is_missed_and_started_again(vhost: str) -> None:
    handled: list[str] = []

    async def handle(_: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        handled.append(delivery.message_id)
        return Done()

    async with consuming(vhost, handle) as bus:
        channel, tag = await consumer_of(bus)
        await channel.basic_cancel(tag)  # below aio-pika, which goes on believing in it
        said = await bus_checks(bus)["consumers"]()
        await bus.publish(order(1))
        await until(lambda: handled == ["msg-1"], "the message is handled by a new consumer")

        assert said == "this process does not consume extras.commands"
        assert await bus_checks(bus)["consumers"]() is None


async def test_a_pause_leaves_messages_in_the_queue_and_answers_for_those_in_hand(vhost: str) -> None:
    handled: list[str] = []
    go_on = asyncio.Event()

    async def handle(_: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        await go_on.wait()
        handled.append(delivery.message_id)
        return Done()

    async with consuming(vhost, handle) as bus:
        for number in range(20):
            await bus.publish(order(number))
        await until(lambda: bus.consuming.prefetch_of(EXTRAS_COMMANDS.name) == 8, "it takes as many as it may")
        await bus.consuming.pause()
        go_on.set()
        await until(lambda: len(handled) >= 8, "the prefetched messages are handled")
        await bus.is_connected()  # whatever else came has come before the broker's answer
        paused = list(handled)
        await bus.consuming.resume()
        await until(lambda: len(handled) == 20, "the others are handled")

        assert len(paused) in (8, 9), "and the one that it took at first"
        assert sorted(handled) == sorted(f"msg-{number}" for number in range(20))


async def test_connections_closed_under_load_lose_nothing(broker: Broker, store: Store) -> None:
    async with system_on(broker, store, reply_timeout=10.0) as system:
        guests = [system.guest() for _ in range(ORDERS)]
        buying = asyncio.gather(*(buy(system, one) for one in guests))

        closed = 0
        while not buying.done() or closed < len(SERVICES):
            closed += await close_connections(broker, system)
            await asyncio.wait({buying}, timeout=1.5)
        orders = await buying

        for one, order_id in zip(guests, orders, strict=True):
            await one.sees(order_id, status="confirmed", payment_status="paid", within=60)
            assert len(await system.intents(order_id)) == 1
        for part in SERVICES:
            await until(lambda part=part: is_ready(system, part), f"{part} is ready")  # type: ignore[misc]
        assert set((await system.parked()).values()) == {0}


async def buy(system: System, guest: Guest) -> str:
    """Order and pay, repeating what was not answered, as a page does."""

    async def placed() -> Json | None:
        answer = await guest.place(key="one")
        return body(answer, answer.status_code) if answer.status_code in (201, 202) else None

    order_id: str = (await until(placed, "the order is taken", within=60))["order_id"]

    async def session() -> Json | None:
        answer = await guest.ask_for_session(order_id)
        return body(answer, 201) if answer.status_code == httpx.codes.CREATED else None

    body(await system.pay(await until(session, "the session is open", within=60)), 200)
    return order_id


async def close_connections(broker: Broker, system: System) -> int:
    """Let the broker close every connection of the system's. Returns how many there were."""
    assert broker.management_url
    vhost = quote(urlsplit(system.setup.amqp_url).path[1:], safe="")
    async with httpx.AsyncClient(base_url=broker.management_url, trust_env=False, timeout=30) as http:
        listed = (await http.get(f"/api/vhosts/{vhost}/connections")).json()
        answers = [await http.delete(f"/api/connections/{quote(one['name'], safe='')}") for one in listed]
    return sum(answer.is_success for answer in answers)


async def is_ready(system: System, part: str) -> bool:
    return (await system.operator(part, "/health/ready")).is_success
