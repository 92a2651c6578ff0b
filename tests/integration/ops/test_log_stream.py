"""Reading the log: all of it, from somewhere, and as it grows."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from ops.core.message_log.stream import LogStream
from ops.core.target import Target
from tests.support.patience import patient
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
