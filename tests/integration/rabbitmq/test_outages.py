"""An outage parks no message with which nothing is wrong, however often it comes, on any version of RabbitMQ.

Before 4.3 every requeue counts towards a queue's delivery limit (`test_differences.py`).
"""

import uuid
from collections.abc import AsyncIterator
from functools import partial

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pamqp.common import FieldTable

from chassis.decision import Done
from chassis.errors import StoreUnavailableError
from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import Delivery
from chassis.messaging.headers import REPLAY_PLAN
from chassis.runtime.metrics import Metrics
from contracts.message import Message
from contracts.orders import PlaceOrder
from contracts.topology import COMMANDS, DEAD, RETRY_LADDER, Binding, Queue, QueueRole, QueueType
from deploy.local.broker import Broker
from tests.support.examples import sample
from tests.support.waiting import until

PLACE = sample("orders.place-order.v1")
QUEUE, DEAD_QUEUE = "small.commands", "small.dead"
LIMIT = 3
"""Of deliveries. In the topology it is 20, with which these tests would only take longer."""
OUTAGES = LIMIT + 2
WORK_QUEUE: FieldTable = {
    "x-queue-type": "quorum",
    "x-delivery-limit": LIMIT,
    "x-dead-letter-exchange": DEAD.name,
    "x-dead-letter-routing-key": DEAD_QUEUE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


class Service:
    """A consumer of one queue whose store is down, and its breaker."""

    def __init__(self, url: str) -> None:
        metrics = Metrics("small")
        self.bus = Bus(url, "small", metrics, publish_timeout=5, graceful_timeout=1)
        self.breaker = Breaker("the store", StoreUnavailableError, self._store_answers, self.bus.consuming, metrics)
        self.store_answers = False
        self.is_handling = False
        """Whether messages are handled; else each finds the store down."""
        self.attempts: list[int] = []
        bindings = (Binding(COMMANDS.name, PLACE.kind),)
        queue = Queue(QUEUE, QueueType.QUORUM, QueueRole.WORK, "work", dead_queue=DEAD_QUEUE, bindings=bindings)
        consumer = Consumer(self.bus, queue, {PlaceOrder: self._handle}, metrics, "0", self.breaker)
        self.bus.subscribe(QUEUE, consumer, prefetch=8)

    def has_met(self, outages: int) -> bool:
        return len(self.attempts) >= outages and self.breaker.is_open

    async def _store_answers(self) -> bool:
        return self.store_answers

    async def _handle(self, message: Message, delivery: Delivery) -> Done:
        self.attempts.append(delivery.attempt)
        if self.is_handling:
            return Done()
        raise StoreUnavailableError("loading ord_1", OSError("gone"))


@pytest.fixture
async def url(broker_of_series: Broker) -> AsyncIterator[str]:
    name = f"outages-{uuid.uuid4().hex[:8]}"
    yield broker_of_series.new_vhost(name)
    broker_of_series.drop_vhost(name)


@pytest.fixture
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    """An operator's."""
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


@pytest.fixture
async def service(url: str, channel: AbstractChannel) -> AsyncIterator[Service]:
    await channel.declare_queue(QUEUE, durable=True, arguments=WORK_QUEUE)
    service = Service(url)
    await service.bus.start()
    dead = await channel.declare_queue(DEAD_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    await dead.bind(DEAD.name, DEAD_QUEUE)
    yield service
    await service.bus.stop()


async def place(service: Service, channel: AbstractChannel) -> None:
    message = aio_pika.Message(
        PLACE.to_wire(),
        type=PLACE.kind,
        user_id=service.bus.login,
        headers={REPLAY_PLAN: "tests"},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await channel.default_exchange.publish(message, QUEUE)


async def depth(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return int(queue.declaration_result.message_count or 0)


async def test_a_message_met_by_one_outage_after_the_other_is_handled_in_the_end(
    service: Service, channel: AbstractChannel
) -> None:
    await place(service, channel)

    for outage in range(1, OUTAGES + 1):
        await until(partial(service.has_met, outage), f"outage {outage}")
        service.is_handling = outage == OUTAGES
        service.store_answers = True
        await service.breaker.probe()
        service.store_answers = False

    await until(lambda: len(service.attempts) > OUTAGES, "it is handled")
    assert service.attempts == [1] * (OUTAGES + 1)
    assert await depth(channel, DEAD_QUEUE) == 0


async def test_a_message_waits_in_hand_while_the_broker_takes_no_retry(
    service: Service, channel: AbstractChannel
) -> None:
    service.store_answers = True  # so that no breaker opens, and messages are retried
    await channel.exchange_delete(RETRY_LADDER[0].name)

    await place(service, channel)
    with pytest.raises(AssertionError, match="in vain"):
        await until(lambda: len(service.attempts) > LIMIT, "it is delivered again", within=LIMIT + 2)
    service.is_handling = True
    tier = await channel.declare_exchange(RETRY_LADDER[0].name, "topic", durable=True)
    await (await channel.get_queue(RETRY_LADDER[0].name)).bind(tier, "#")

    await until(lambda: len(service.attempts) > 1, "it has come back")
    assert service.attempts == [1, 2]
    assert await depth(channel, DEAD_QUEUE) == 0
