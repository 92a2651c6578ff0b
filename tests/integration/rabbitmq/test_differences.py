"""What RabbitMQ's versions do differently, each measured and compared with the table in docs/rabbitmq.md."""

import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed, ConnectionInternalError
from pamqp.common import FieldTable

from chassis.messaging.broker_address import BrokerAddress
from deploy.local.broker import Broker
from deploy.management import Management, ManagementError
from tests.support.waiting import until

TABLE = (Path(__file__).resolve().parents[3] / "docs" / "rabbitmq.md").read_text()
LIMIT = 3
LOOKS = 21
Settle = Callable[[AbstractIncomingMessage], Awaitable[None]]
QUORUM: FieldTable = {"x-queue-type": "quorum"}


def written(row: str, series: str) -> str:
    """What the table says about one thing on one version."""
    header, *rows = re.findall(r"^\|(.+)\|$", TABLE[TABLE.index("## What differs") :], re.MULTILINE)
    versions = [cell.strip() for cell in header.split("|")]
    (cells,) = ([cell.strip() for cell in line.split("|")] for line in rows if line.split("|")[0].strip() == row)
    return str(cells[versions.index(series)])


@pytest.fixture
async def url(broker_of_series: Broker) -> AsyncIterator[str]:
    name = f"differences-{uuid.uuid4().hex[:8]}"
    yield broker_of_series.new_vhost(name)
    broker_of_series.drop_vhost(name)


@pytest.fixture
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def requeue(message: AbstractIncomingMessage) -> None:
    await message.nack(requeue=True)


async def reject(message: AbstractIncomingMessage) -> None:
    await message.reject(requeue=True)


async def close(message: AbstractIncomingMessage) -> None:
    await message.channel.close()


async def deliveries(url: str, arguments: FieldTable, settle: Settle) -> int:
    """How often a message is handed out before its queue gives it up; `LOOKS + 1` when the queue does not."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue("given-up", durable=True, arguments=QUORUM)
        dead_letters: FieldTable = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
        await channel.declare_queue("asked", durable=True, arguments={**QUORUM, **dead_letters, **arguments})
        message = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "asked")
        for count in range(LOOKS + 1):
            queue = await (await connection.channel()).get_queue("asked")
            found = await until(partial(next_of, queue, dead), "the message comes again, or is given up")
            if found.routing_key == dead.name:
                return count
            await settle(found)
    return LOOKS + 1


async def next_of(*queues: AbstractQueue) -> AbstractIncomingMessage | None:
    fetched = [await queue.get(fail=False) for queue in queues]
    return next((message for message in fetched if message is not None), None)


@pytest.mark.parametrize(
    ("row", "settle"),
    [
        ("a requeue (`basic.nack`), for the delivery limit", requeue),
        ("a rejection with requeue (`basic.reject`), for the delivery limit", reject),
        ("a channel that closes with an unacknowledged message, for the delivery limit", close),
    ],
    ids=["requeue", "reject", "close"],
)
async def test_what_counts_towards_a_queues_delivery_limit(series: str, url: str, row: str, settle: Settle) -> None:
    count = await deliveries(url, {"x-delivery-limit": LIMIT}, settle)

    assert {LIMIT + 1: "counts", LOOKS + 1: "does not count"}[count] == written(row, series)


async def test_whether_a_queue_without_a_limit_of_its_own_drops_what_is_looked_at(series: str, url: str) -> None:
    count = await deliveries(url, {}, close)

    row = f"a message fetched {LOOKS} times from a queue that names no limit"
    assert {LOOKS: "is dropped", LOOKS + 1: "stays"}[count] == written(row, series)


async def test_what_a_decimal_does_where_a_stream_is_bound(series: str, url: str, channel: AbstractChannel) -> None:
    exchange = await channel.declare_exchange("facts", "topic", durable=True)
    stream = await channel.declare_queue("stream", durable=True, arguments={"x-queue-type": "stream"})
    await stream.bind(exchange, "#")

    async with await aio_pika.connect(url) as connection:
        sender = await (await connection.channel()).get_exchange("facts", ensure=False)
        with pytest.raises(AMQPError) as refused:
            await sender.publish(aio_pika.Message(b"{}", headers={"rate": Decimal("1.5")}), "fact", timeout=30)

    row = "a message with a decimal in a header, published to where a stream is bound"
    said = "closes the connection" if isinstance(refused.value, ConnectionInternalError) else "is refused"
    assert said == written(row, series)


async def test_whether_the_broker_takes_more_than_16_mebibytes(series: str, url: str, channel: AbstractChannel) -> None:
    await channel.declare_queue("large", durable=True, arguments=QUORUM)

    async with await aio_pika.connect(url) as connection:
        sender = await connection.channel()
        try:
            await sender.default_exchange.publish(aio_pika.Message(b"x" * (16 * 1024 * 1024 + 1)), "large", timeout=30)
            said = "is accepted"
        except ChannelPreconditionFailed:
            said = "is refused"

    assert said == written("a message of more than 16 MiB", series)


async def test_whether_an_account_may_ask_for_a_queue_it_has_no_right_to(
    series: str, broker_of_series: Broker, url: str, channel: AbstractChannel
) -> None:
    await channel.declare_queue("asked for", durable=True, arguments=QUORUM)
    management = Management(broker_of_series.management_url or "")
    vhost = url.rpartition("/")[2]
    management.call("PUT", "/api/users/stranger", {"password": "made-up", "tags": ""})
    management.call("PUT", f"/api/permissions/{vhost}/stranger", {"configure": "^$", "write": "^$", "read": "^$"})

    async with await aio_pika.connect(BrokerAddress(url).for_account("stranger", "made-up").url) as connection:
        try:
            await (await connection.channel()).declare_queue("asked for", passive=True)
            said = "is answered"
        except ChannelAccessRefused:
            said = "is refused"

    assert said == written("a passive declare without any right to the queue", series)


async def test_whether_a_topic_permission_may_come_before_its_exchange(
    series: str, broker_of_series: Broker, url: str
) -> None:
    management = Management(broker_of_series.management_url or "")
    management.call("PUT", "/api/users/early", {"password": "made-up", "tags": ""})
    permission = {"exchange": "not there yet", "write": "^$", "read": "^$"}

    try:
        management.call("PUT", f"/api/topic-permissions/{url.rpartition('/')[2]}/early", permission)
        said = "is stored"
    except ManagementError:
        said = "is refused"

    assert said == written("a topic permission for an exchange that does not exist", series)
