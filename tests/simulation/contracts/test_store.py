"""The simulated store does what the real one does, scenario by scenario; and what a crash and a secondary may do."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from pymongo import ReadPreference, WriteConcern

import chassis.storage.store as storage
from chassis.errors import StoreUnavailableError
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored
from tests.simulation.contracts.store_scenarios import NOW, SCENARIOS, Scenario, Thing, things, written
from tests.simulation.loop import SimulatedLoop
from tests.simulation.sealing import sealed
from tests.simulation.store.client import STORE, SimulatedClient
from tests.simulation.store.server import StoreServer

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)


@each_scenario
async def test_on_the_real_store(scenario: Scenario, real_store: Store) -> None:
    await scenario(real_store)


Simulate = Callable[[Callable[[Store, StoreServer], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=range(3))
def simulate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    monkeypatch.setattr(storage, "AsyncIOMotorClient", SimulatedClient)

    def run(scenario: Callable[[Store, StoreServer], Coroutine[Any, Any, None]]) -> None:
        loop = SimulatedLoop(request.param)
        server = StoreServer(loop, Random(request.param))  # noqa: S311 - chance for tests, not for secrets

        async def connected() -> None:
            STORE.set(server)
            await scenario(Store("mongodb://simulated/", "bellhop", Metrics("test"), timeout=5), server)

        with sealed(loop, request.param):
            loop.run_until_complete(connected())

    return run


@each_scenario
def test_on_the_simulated_store(scenario: Scenario, simulate: Simulate) -> None:
    simulate(lambda store, _server: scenario(store))


def test_a_write_whose_answer_is_lost_may_have_been_made(simulate: Simulate) -> None:
    async def scenario(store: Store, server: StoreServer) -> None:
        server.unanswered = 1.0
        with pytest.raises(StoreUnavailableError):
            await written(things(store), Stored("t1", 1, Thing()))

        server.unanswered = 0.0
        assert await things(store).load("t1") is not None

    simulate(scenario)


def test_what_was_written_as_the_chassis_writes_survives_a_crash(simulate: Simulate) -> None:
    async def scenario(store: Store, server: StoreServer) -> None:
        await written(things(store), Stored("t1", 1, Thing()))
        server.crash(0.0)

        assert await things(store).load("t1") is not None

    simulate(scenario)


def test_a_write_that_is_not_journaled_is_lost_in_a_crash(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_DURABLE", WriteConcern(w=1))

    async def scenario(store: Store, server: StoreServer) -> None:
        await written(things(store), Stored("t1", 1, Thing()))
        server.crash(0.0)

        assert await things(store).load("t1") is None

    simulate(scenario)


def test_a_secondary_is_behind(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    weak = ReadPreference.SECONDARY_PREFERRED
    monkeypatch.setattr(storage, "ReadPreference", type("Weak", (), {"PRIMARY": weak}))

    async def scenario(store: Store, _server: StoreServer) -> None:
        await written(things(store), Stored("t1", 1, Thing(colour="red")))
        await written(things(store), Stored("t1", 2, Thing(colour="blue")))

        known = await things(store).load("t1")
        assert known is not None
        assert known.state.colour == "red"

    simulate(scenario)


def test_while_the_store_is_down_calls_wait_as_long_as_the_driver_does_and_fail(simulate: Simulate) -> None:
    async def scenario(store: Store, server: StoreServer) -> None:
        server.crash(60.0)
        before = server.loop.time()
        with pytest.raises(StoreUnavailableError):
            await things(store).due(NOW + timedelta(days=1), 10)

        assert 5 <= server.loop.time() - before < 7

    simulate(scenario)
