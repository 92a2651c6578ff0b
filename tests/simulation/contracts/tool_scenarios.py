"""What operators' tools rely on at the broker: passive declares, and reading a stream from any place."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from tests.simulation.contracts.broker_scenarios import Connect, Inbox, Scenario, quorum, text

_STREAM = {"x-queue-type": "stream"}


async def channel_of(connect: Connect, prefetch: int = 0) -> Any:
    channel = await (await connect()).channel(publisher_confirms=True, on_return_raises=True)
    if prefetch:
        await channel.set_qos(prefetch_count=prefetch)
    return channel


async def written(connect: Connect, *bodies: str) -> Any:
    """A stream with these messages; the channel they were sent over."""
    channel = await channel_of(connect)
    await channel.declare_queue("log", durable=True, arguments=_STREAM)
    for body in bodies:
        await channel.default_exchange.publish(text(body), "log")
    return channel


async def read(connect: Connect, begin: Any, prefetch: int = 100) -> Inbox:
    channel, inbox = await channel_of(connect, prefetch), Inbox()
    stream = await channel.declare_queue("log", passive=True)
    await stream.consume(inbox, arguments={"x-stream-offset": begin})
    return inbox


def offset_of(message: Any) -> int:
    return int(message.headers["x-stream-offset"])


async def a_passive_declare_counts_what_waits_and_not_what_a_consumer_holds(connect: Connect) -> None:
    channel = await channel_of(connect)
    await channel.declare_queue("work", durable=True, arguments=quorum())
    for body in ("one", "two", "three"):
        await channel.default_exchange.publish(text(body), "work")
    holder = await channel_of(connect)
    held = await (await holder.declare_queue("work", passive=True)).get()

    declared = (await (await channel_of(connect)).declare_queue("work", passive=True)).declaration_result

    assert held.body == b"one"
    assert declared.message_count == 2


async def a_passive_declare_of_a_missing_queue_closes_its_channel_and_leaves_the_connection(connect: Connect) -> None:
    connection = await connect()
    channel = await connection.channel()

    with pytest.raises(ChannelNotFoundEntity):
        await channel.declare_queue("missing", passive=True)

    assert channel.is_closed
    another = await connection.channel()
    await another.declare_queue("work", durable=True, arguments=quorum())
    assert (await another.declare_queue("work", passive=True)).declaration_result.message_count == 0


async def a_missing_stream_is_no_stream_to_read(connect: Connect) -> None:
    with pytest.raises(ChannelNotFoundEntity):
        await read(connect, "first")


async def a_stream_is_read_from_its_first_message_as_often_as_wanted(connect: Connect) -> None:
    await written(connect, "one", "two", "three")

    for _ in range(2):
        inbox = await read(connect, "first")
        messages = [await inbox.next() for _ in range(3)]
        for message in messages:
            await message.ack()

        assert [message.body for message in messages] == [b"one", b"two", b"three"]
        assert [offset_of(message) for message in messages] == [0, 1, 2]


async def a_stream_is_read_from_an_offset(connect: Connect) -> None:
    await written(connect, "one", "two", "three")

    inbox = await read(connect, 1)

    assert [offset_of(await inbox.next()) for _ in range(2)] == [1, 2]


async def what_is_written_later_reaches_a_reader_that_has_all(connect: Connect) -> None:
    channel = await written(connect, "one")
    inbox = await read(connect, "first")
    await (await inbox.next()).ack()

    await channel.default_exchange.publish(text("two"), "log")

    assert offset_of(await inbox.next()) == 1


async def from_next_on_only_new_messages_come(connect: Connect) -> None:
    channel = await written(connect, "one", "two")
    inbox = await read(connect, "next")

    await channel.default_exchange.publish(text("three"), "log")

    assert (await inbox.next()).body == b"three"


async def from_last_on_the_newest_message_comes(connect: Connect) -> None:
    """Perhaps with some before it: those that were written together."""
    await written(connect, "one", "two", "three")

    inbox = await read(connect, "last")

    offsets = [offset_of(await inbox.next())]
    while offsets[-1] < 2:
        offsets.append(offset_of(await inbox.next()))
    assert offsets == list(range(offsets[0], 3))


async def from_a_time_on_all_later_messages_come(connect: Connect) -> None:
    """Perhaps with some before it."""
    await written(connect, "one", "two")

    inbox = await read(connect, datetime(2001, 1, 1, tzinfo=UTC))

    assert [offset_of(await inbox.next()) for _ in range(2)] == [0, 1]


async def a_reader_is_given_no_more_than_its_window_until_it_acknowledges(connect: Connect) -> None:
    await written(connect, *(f"m{number}" for number in range(6)))
    inbox = await read(connect, "first", prefetch=2)
    first = [await inbox.next() for _ in range(2)]

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await inbox.messages.get()
    await first[1].ack(multiple=True)

    assert [offset_of(await inbox.next()) for _ in range(2)] == [2, 3]


async def a_stream_counts_its_messages_late(connect: Connect) -> None:
    """RabbitMQ 3.10 says 0 of messages that it has confirmed."""
    channel = await written(connect, "one", "two", "three")

    declared = (await channel.declare_queue("log", passive=True)).declaration_result

    assert declared.message_count <= 3


SCENARIOS: tuple[Scenario, ...] = (
    a_passive_declare_counts_what_waits_and_not_what_a_consumer_holds,
    a_passive_declare_of_a_missing_queue_closes_its_channel_and_leaves_the_connection,
    a_missing_stream_is_no_stream_to_read,
    a_stream_is_read_from_its_first_message_as_often_as_wanted,
    a_stream_is_read_from_an_offset,
    what_is_written_later_reaches_a_reader_that_has_all,
    from_next_on_only_new_messages_come,
    from_last_on_the_newest_message_comes,
    from_a_time_on_all_later_messages_come,
    a_reader_is_given_no_more_than_its_window_until_it_acknowledges,
    a_stream_counts_its_messages_late,
)
