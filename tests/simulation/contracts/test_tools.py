"""The simulated broker does for operators' tools what the real one does: passive declares, and streams."""

from collections.abc import AsyncIterator
from functools import partial
from random import Random
from typing import Any

import pytest

from chassis.messaging.amqp import connection_for_tools
from deploy.local.broker import Broker as RealBroker
from tests.simulation.broker import tools
from tests.simulation.broker.bus import BROKER
from tests.simulation.broker.server import Broker
from tests.simulation.contracts.broker_scenarios import Scenario
from tests.simulation.contracts.real_broker import Connect, connecting
from tests.simulation.contracts.tool_scenarios import SCENARIOS
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sealing import sealed

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


@pytest.fixture
async def connect(broker: RealBroker) -> AsyncIterator[Connect]:
    """To a virtual host of the test's own, on the real broker, as `bellhop` connects."""
    async with connecting(broker, partial(connection_for_tools, name="contract", timeout=10.0)) as connect:
        yield connect


@each_scenario
async def test_on_the_real_broker(scenario: Scenario, connect: Connect) -> None:
    await scenario(connect)


@each_scenario
@pytest.mark.parametrize("seed", range(3))
def test_on_the_simulated_broker(scenario: Scenario, seed: int) -> None:
    loop = SimulatedLoop(seed)
    broker = Broker(loop, Random(seed))  # noqa: S311 - chance for tests, not for secrets

    async def lived() -> None:
        BROKER.set(broker)

        async def connect() -> Any:
            return await tools.connection_for_tools("amqp://contract:secret@simulated/", "contract", timeout=10.0)

        await scenario(connect)

    with sealed(loop, seed):
        loop.run_until_complete(lived())
