"""The simulated broker does what the real one does, scenario by scenario."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import aio_pika
import pytest

from deploy.local.broker import Broker as RealBroker
from tests.simulation.broker.client import Connection
from tests.simulation.broker.server import Broker
from tests.simulation.contracts.broker_scenarios import SCENARIOS, Scenario
from tests.simulation.contracts.real_broker import Connect, connecting
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sealing import sealed

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


@pytest.fixture
async def connect(broker: RealBroker) -> AsyncIterator[Connect]:
    """To a virtual host of the test's own, on the real broker."""
    async with connecting(broker, aio_pika.connect) as connect:
        yield connect


@each_scenario
async def test_on_the_real_broker(scenario: Scenario, connect: Connect) -> None:
    await scenario(connect)


@each_scenario
@pytest.mark.parametrize("seed", range(3))
def test_on_the_simulated_broker(scenario: Scenario, seed: int) -> None:
    loop = SimulatedLoop(seed)
    broker = Broker(loop, Random(seed))  # noqa: S311 - chance for tests, not for secrets

    async def connect() -> Any:
        return await Connection.open(broker)

    with sealed(loop, seed):
        loop.run_until_complete(scenario(connect))
