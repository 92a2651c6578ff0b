"""Reading the log: all of it, from somewhere, and as it grows."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import aio_pika

from contracts.topology import COPIES
from deploy.local.patience import patient
from ops.core.message_log.stream import LogStream
from ops.core.target import Target
from tests.support.system import System
from tests.support.waiting import until


async def test_the_log_is_read_from_the_beginning_to_now(system: System, target: Target) -> None:
    order = await system.guest().order()

    async with target.connection() as connection:
        read = [seen async for seen in LogStream(connection).up_to_now()]

    kinds = [seen.kind for seen in read if seen.order_id == order["order_id"]]
    assert kinds == ["orders.place-order.v1", "orders.order-pending-payment.v1"]
    assert [seen.offset for seen in read] == list(range(len(read)))


async def test_the_log_is_read_from_a_moment_and_from_an_offset(system: System, target: Target) -> None:
    order = await system.guest().order()

    async with target.connection() as connection:
        log = LogStream(connection)
        recent = [seen async for seen in log.up_to_now(datetime.now(UTC) - timedelta(minutes=5))]
        (first, *_) = [seen.offset for seen in recent if seen.order_id == order["order_id"]]
        after = [seen async for seen in log.up_to_now((first or 0) + 1)]
        beyond = [seen async for seen in log.up_to_now((recent[-1].offset or 0) + 1)]

    assert after[0].offset == (first or 0) + 1
    assert beyond == []


async def test_the_log_is_followed_as_it_grows(system: System, target: Target) -> None:
    async with (
        asyncio.timeout(patient(30)),
        target.connection() as connection,
        aclosing(LogStream(connection).follow()) as messages,
    ):
        coming = asyncio.ensure_future(anext(messages))
        placed: set[str] = set()

        async def has_passed() -> bool:
            placed.add((await system.guest().order())["order_id"])
            return coming.done()

        await until(has_passed, "a message passes")

        assert (await coming).order_id in placed


async def test_reading_on_over_a_connection_whose_last_reader_stopped_early(system: System, target: Target) -> None:
    await fill(system, 1_500)

    async with target.connection() as connection:
        log = LogStream(connection)
        end = (await log.newest() or 0) + 1
        for _ in range(20):
            begin = await log.offset_of("first", end)
            read = [seen.offset async for seen in log.between(begin, begin + 3)]
            assert read == list(range(begin, begin + 3))

        assert len([seen async for seen in log.up_to_now()]) == end


async def test_a_time_after_the_newest_message_is_the_end_of_the_log(system: System, target: Target) -> None:
    await system.guest().order()

    async with target.connection() as connection:
        log = LogStream(connection)
        end = (await log.newest() or 0) + 1

        assert await log.offset_of(datetime.now(UTC) + timedelta(minutes=1), end) == end
        assert await log.offset_of(datetime.now(UTC) - timedelta(days=1), end) == 0


async def fill(system: System, messages: int) -> None:
    """Copies of one message, as a service would write them."""
    async with system.channel() as channel:
        copies = await channel.get_exchange(COPIES.name, ensure=False)
        for _ in range(messages // 100):
            sending = (copies.publish(aio_pika.Message(b"{}", type="test.v1"), "events.test.v1") for _ in range(100))
            await asyncio.gather(*sending)
