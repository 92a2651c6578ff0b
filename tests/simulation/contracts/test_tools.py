"""The simulated broker does for operators' tools what the real one does: passive declares, and streams."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import pytest

from chassis.messaging.amqp import connection_for_tools
from deploy.local.broker import Broker as RealBroker
from tests.simulation.broker import tools
from tests.simulation.broker.bus import BROKER
from tests.simulation.broker.server import Broker
from tests.simulation.contracts.broker_scenarios import Scenario
from tests.simulation.contracts.tool_scenarios import SCENARIOS
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sealing import sealed

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


@pytest.fixture
async def connect(broker: RealBroker) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """To a virtual host of the test's own, on the real broker, as `bellhop` connects."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    url = broker.new_vhost(name)
    opened: list[Any] = []

    async def connect() -> Any:
        opened.append(await connection_for_tools(url, "contract", timeout=10.0))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()
    broker.drop_vhost(name)


@each_scenario
async def test_on_the_real_broker(scenario: Scenario, connect: Callable[[], Awaitable[Any]]) -> None:
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
