"""The broker refuses a message: the channel it was refused on is reopened, and its other work goes on."""

from collections.abc import AsyncIterator

import pytest
from aio_pika.abc import AbstractIncomingMessage

from chassis.errors import PublishFailedError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.messaging.requests import RequestClient
from chassis.runtime.metrics import Metrics
from contracts.ids import GuestId, PropertyId
from contracts.orders import ListOrders, OrdersReply
from contracts.topology import EXTRAS_QUERIES
from deploy.local.broker import Broker
from tests.integration.flow.buses import bus_on
from tests.support.examples import sample
from tests.support.waiting import until

EVENT = sample("orders.order-expired.v1")
QUESTION = ListOrders(guest_id=GuestId("guest-1"), property_id=PropertyId("alpenhof"))


@pytest.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    async with bus_on(broker, publish_timeout=10) as bus:
        yield bus


async def refused(bus: Bus, attempt: int = 0) -> bool:
    """Publish to a queue that holds one message; whether the broker refused."""
    channel = await bus.connection.channel()
    arguments = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    full = await channel.declare_queue("full", durable=True, arguments=arguments, robust=False)
    await full.bind("events", EVENT.kind, robust=False)
    await channel.close()
    try:
        await bus.publish(Envelope(EVENT, f"m-{attempt}", correlation_id="c-1"))
    except PublishFailedError:
        return True
    return False


async def test_a_channel_on_which_a_message_was_refused_is_reopened(bus: Bus) -> None:
    channel = await bus.broker.config.channel_manager.get_channel()
    before = await channel.get_underlay_channel()

    await until(lambda: refused(bus), "the queue is full")

    assert await until(lambda: before.is_closed, "the old channel is closed")
    await channel.ready()
    await bus.publish(Envelope(sample("orders.place-order.v1"), "m-after", correlation_id="c-2"))


async def test_requests_are_answered_after_one_was_refused(bus: Bus) -> None:
    requests = RequestClient(bus, Metrics("refused"))
    await requests.start()
    replies = await bus.connection.channel()
    queries = await replies.declare_queue(EXTRAS_QUERIES.name, passive=True)

    async def answer(message: AbstractIncomingMessage) -> None:
        to, correlation_id = message.reply_to, message.correlation_id or ""
        await bus.publish(Envelope(OrdersReply(orders=()), "reply", correlation_id, to=to))

    await queries.consume(answer, no_ack=True)
    assert requests._channel is not None
    assert requests._replies is not None
    before = requests._replies.name

    await (await requests._channel.get_underlay_channel()).close()

    reply = await requests.request(Envelope(QUESTION, "q-1", "c-3"), timeout=10)
    assert reply == OrdersReply(orders=())
    # RabbitMQ 4.3 may keep the old name locked after a node was killed.
    assert requests._replies.name != before
