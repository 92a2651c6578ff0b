"""The broker stops answering for longer than a publish may take, and goes on: so does every service."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from chassis.errors import PublishFailedError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from contracts.message import Message
from deploy.local.broker import Broker
from tests.integration.flow.buses import bus_on
from tests.support.examples import sample
from tests.support.outages import frozen
from tests.support.waiting import PATIENCE, until

AT_ONCE = 40
COMMAND, EVENT = sample("psp.sweep-psp-events.v1"), sample("orders.order-expired.v1")


@pytest.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    async with bus_on(broker, publish_timeout=0.5) as bus:
        yield bus


async def published(bus: Bus, message: Message) -> bool:
    message_id = uuid.uuid4().hex
    try:
        await bus.publish(Envelope(message, message_id, correlation_id=message_id))
    except PublishFailedError:
        return False
    return True


@pytest.mark.parametrize("message", [COMMAND, EVENT])
async def test_a_publish_that_took_too_long_closes_no_channel(bus: Bus, broker: Broker, message: Message) -> None:
    with frozen(broker):
        meanwhile = await asyncio.gather(*(published(bus, message) for _ in range(AT_ONCE)))

    bus._publish_timeout = PATIENCE  # a busy machine takes its time to catch up
    afterwards = await asyncio.gather(*(published(bus, message) for _ in range(AT_ONCE)))

    assert not any(meanwhile)
    assert all(afterwards)


async def test_a_sender_who_goes_away_in_the_middle_harms_no_other(bus: Bus, broker: Broker) -> None:
    with frozen(broker):
        going = [asyncio.create_task(published(bus, EVENT)) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    bus._publish_timeout = PATIENCE
    assert all(await asyncio.gather(*(published(bus, EVENT) for _ in range(AT_ONCE))))
    assert await until(bus.is_connected, "the broker answers")
