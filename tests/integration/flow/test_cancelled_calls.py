"""A caller stops waiting for the broker: the call goes on, and neither its channel nor the connection is lost."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractConnection

from chassis.messaging.bus import Bus
from chassis.messaging.queue_depth import DepthUnknownError, depth_of
from contracts.topology import EXTRAS_COMMANDS
from deploy.local.broker import Broker
from tests.integration.flow.buses import bus_on
from tests.support.outages import frozen
from tests.support.waiting import PATIENCE, until

STEPS = 60
"""Turns of the event loop after which a call is cancelled: it has begun, waits, or has ended."""


@pytest.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    async with bus_on(broker, publish_timeout=PATIENCE) as bus:
        yield bus


def underlying(bus: Bus) -> AbstractConnection:
    """The connection itself. A robust connection replaces one that is lost."""
    assert bus.connection.transport is not None
    return bus.connection.transport.connection


async def cancel_after(turns: int, task: asyncio.Task[None]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def use_a_channel(bus: Bus) -> None:
    async with bus.connection.channel() as channel:
        await channel.declare_queue(EXTRAS_COMMANDS.name, passive=True, robust=False)


async def get_nothing(channel: AbstractChannel) -> None:
    queue = await channel.get_queue(EXTRAS_COMMANDS.name, ensure=False)
    await queue.get(fail=False)


async def test_counts_that_take_too_long_leave_the_connection_open(bus: Bus, broker: Broker) -> None:
    connection = underlying(bus)

    with frozen(broker):
        counts = [depth_of(bus, EXTRAS_COMMANDS, timeout=0.02 * number) for number in range(20)]
        counted = await asyncio.gather(*counts, return_exceptions=True)
    again = await depth_of(bus, EXTRAS_COMMANDS, timeout=PATIENCE)

    assert {type(outcome) for outcome in counted} == {DepthUnknownError}
    assert again == 0
    assert underlying(bus) is connection
    assert not connection.is_closed


async def test_counts_that_are_given_up_at_any_moment_leave_the_connection_open(bus: Bus) -> None:
    # Before calls were shielded: 504 CHANNEL_ERROR "expected 'channel.open'", which ends the whole connection.
    connection = underlying(bus)
    patience = Random(1)  # noqa: S311

    for _ in range(60):
        counts = [depth_of(bus, EXTRAS_COMMANDS, timeout=patience.random() * 0.02) for _ in range(5)]
        await asyncio.gather(*counts, return_exceptions=True)

    assert await depth_of(bus, EXTRAS_COMMANDS, timeout=PATIENCE) == 0
    assert underlying(bus) is connection
    assert not connection.is_closed


async def test_opening_and_closing_a_channel_may_be_cancelled_at_any_moment(bus: Bus) -> None:
    connection = underlying(bus)
    channels = len(connection.channels)

    for turns in range(STEPS):
        await cancel_after(turns, asyncio.create_task(use_a_channel(bus)))

    assert await depth_of(bus, EXTRAS_COMMANDS, timeout=PATIENCE) == 0
    assert underlying(bus) is connection
    assert not connection.is_closed
    assert await until(lambda: len(connection.channels) == channels, "every channel opened here is closed")


async def test_a_cancelled_call_leaves_its_channel_open(bus: Bus) -> None:
    async with bus.connection.channel() as channel:
        inside = await channel.get_underlay_channel()

        for turns in range(STEPS):
            await cancel_after(turns, asyncio.create_task(get_nothing(channel)))

        await get_nothing(channel)
        assert not inside.is_closed


@pytest.mark.parametrize("moment", ["opening", "closing"])
async def test_a_time_out_while_a_channel_opens_or_closes_leaves_the_connection_open(
    bus: Bus, broker: Broker, moment: str
) -> None:
    connection = underlying(bus)
    open_before = len(connection.channels)
    channels = [await bus.connection.channel() for _ in range(5)] if moment == "closing" else []

    with frozen(broker):
        calls = [channel.close() for channel in channels] or [_open(bus) for _ in range(5)]
        stopped = await asyncio.gather(*(asyncio.wait_for(call, 0.3) for call in calls), return_exceptions=True)

    assert {type(outcome) for outcome in stopped} == {TimeoutError}
    assert await depth_of(bus, EXTRAS_COMMANDS, timeout=PATIENCE) == 0
    assert await until(lambda: len(connection.channels) == open_before, "the channels are closed")
    assert underlying(bus) is connection
    assert not connection.is_closed


async def _open(bus: Bus) -> None:
    await bus.connection.channel()
