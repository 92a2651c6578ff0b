"""A service that starts while the broker does not let it in waits for it; a wrong password ends it at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aio_pika.exceptions import ProbableAuthenticationError
from yarl import URL

from chassis.errors import BrokerUnavailableError
from chassis.messaging.bus import Bus
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import start_bus
from deploy.local.broker import Broker
from deploy.local.ports import free_port
from tests.integration.flow.half_open import HalfOpenProxy


def bus_at(url: str) -> Bus:
    name = f"bus-{uuid.uuid4().hex[:8]}"
    return Bus(url, name, Metrics(name), publish_timeout=10.0, graceful_timeout=1.0)


@pytest.fixture
async def url(broker: Broker) -> AsyncIterator[str]:
    name = f"start-{uuid.uuid4().hex[:8]}"
    yield broker.new_vhost(name)
    broker.drop_vhost(name)


async def test_a_broker_that_hangs_up_twice_lets_the_service_start_at_the_third_time(url: str) -> None:
    async with HalfOpenProxy(url).running() as proxy:
        proxy.hang_up = 2
        bus = bus_at(proxy.through())
        try:
            await start_bus(bus)

            assert await bus.is_connected()
            assert proxy.hang_up == 0
        finally:
            await bus.stop()


@pytest.mark.parametrize("place", ["no broker", "no virtual host"])
async def test_what_may_be_there_in_a_moment_counts_as_an_outage(url: str, place: str) -> None:
    wrong = URL(url).with_port(free_port()) if place == "no broker" else URL(url).with_path("/nowhere")
    bus = bus_at(str(wrong))

    with pytest.raises(BrokerUnavailableError, match="did not accept the connection"):
        await bus.connect()

    await bus.stop()


async def test_a_wrong_password_ends_the_service_at_once(url: str) -> None:
    bus = bus_at(str(URL(url).with_password("wrong")))

    with pytest.raises(ProbableAuthenticationError):
        await asyncio.wait_for(start_bus(bus), 30)

    await bus.stop()
