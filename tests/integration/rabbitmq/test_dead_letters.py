"""What lies in the queues of the topology is not given up by the broker, however often it is looked at."""

import uuid
from collections.abc import AsyncIterator
from functools import partial

import aio_pika
import pytest

from contracts.topology import DEAD, EXTRAS_QUERIES, QUEUES, RETRY_LADDER
from deploy.accounts import declare_topology
from deploy.local.broker import Broker
from tests.support.waiting import until

LOOKS = 25
DEAD_QUEUES = [queue.name for queue in QUEUES if DEAD.name in {binding.exchange for binding in queue.bindings}]
KEPT = [*DEAD_QUEUES, EXTRAS_QUERIES.name, RETRY_LADDER[-1].name]


@pytest.fixture
async def url(broker_of_series: Broker) -> AsyncIterator[str]:
    name = f"dead-{uuid.uuid4().hex[:8]}"
    url = broker_of_series.new_vhost(name)
    await declare_topology(url)
    yield url
    broker_of_series.drop_vhost(name)


async def test_a_message_that_is_looked_at_again_and_again_stays_in_its_queue(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        sender = await connection.channel()
        for name in KEPT:
            message = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await sender.default_exchange.publish(message, name)

        for _ in range(LOOKS):
            looking = await connection.channel()
            for name in KEPT:
                queue = await looking.get_queue(name)
                await until(partial(queue.get, fail=False), f"the message in {name} comes again")
            await looking.close()

        looking = await connection.channel()
        for name in KEPT:
            queue = await looking.get_queue(name)
            assert await until(partial(queue.get, fail=False), f"the message is still in {name}")
