"""Every queue of the topology, looked at more often than RabbitMQ 4 allows by default: the same on every version."""

import uuid
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from contracts.topology import MARK, QUEUES, Queue, QueueType
from deploy.accounts import declare_topology
from deploy.local.broker import Broker
from tests.support.waiting import until

LOOKS = 25
QUORUM = [queue for queue in (*QUEUES, MARK) if queue.type is QueueType.QUORUM]
PARKING = {queue.name: queue for queue in QUORUM if "x-dead-letter-routing-key" in queue.arguments}


@pytest.fixture(scope="module")
async def channel(broker_of_series: Broker) -> AsyncIterator[AbstractChannel]:
    name = f"looked-at-{uuid.uuid4().hex[:8]}"
    url = broker_of_series.new_vhost(name)
    await declare_topology(url)
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()
    broker_of_series.drop_vhost(name)


async def survives(channel: AbstractChannel, queue: Queue) -> bool:
    """Whether a message is still there after so many looks. Each counts as a delivery on every version."""
    await channel.default_exchange.publish(aio_pika.Message(b"{}", delivery_mode=2), queue.name)
    source = await channel.get_queue(queue.name, ensure=False)
    for _ in range(LOOKS):
        message = await source.get(fail=False)
        if message is None:
            return False
        await message.reject(requeue=True)
    left = await source.get(fail=False)
    if left is not None:
        await left.ack()
    return left is not None


@pytest.mark.parametrize("queue", [q for q in QUORUM if q.name not in PARKING], ids=lambda queue: queue.name)
async def test_no_look_loses_a_message_of_a_queue_that_parks_nowhere(channel: AbstractChannel, queue: Queue) -> None:
    async def kept() -> bool:
        return await survives(channel, queue)  # again: on a busy machine a message of a retry tier comes back first

    assert await until(kept, "the message is still there") if "x-message-ttl" in queue.arguments else await kept()


@pytest.mark.parametrize("queue", PARKING.values(), ids=lambda queue: queue.name)
async def test_a_work_queue_parks_what_was_delivered_too_often_and_drops_nothing(
    channel: AbstractChannel, queue: Queue
) -> None:
    dead = await channel.get_queue(str(queue.arguments["x-dead-letter-routing-key"]), ensure=False)

    assert not await survives(channel, queue)

    parked = await until(lambda: dead.get(fail=False), "the message is in the dead queue")
    await parked.ack()
