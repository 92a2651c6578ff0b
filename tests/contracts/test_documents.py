"""The store in memory, with which components are tested, does what the real one does, scenario by scenario."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from deploy.local.store import Store as RealServer
from tests.simulation.contracts.store_scenarios import (
    SCENARIOS,
    Scenario,
    the_server_says_that_it_is_there_and_what_time_it_is,
)
from tests.support.fake_store import FakeStore

OF_DOCUMENTS = [each for each in SCENARIOS if each is not the_server_says_that_it_is_there_and_what_time_it_is]
each_scenario = pytest.mark.parametrize("scenario", OF_DOCUMENTS, ids=lambda scenario: scenario.__name__)


@pytest.fixture
def real(store: RealServer) -> Iterator[Store]:
    name = f"documents_{uuid.uuid4().hex[:8]}"
    connected = Store(store.url, name, Metrics("test"), timeout=10)
    yield connected
    connected.close()
    with MongoClient[dict[str, Any]](store.url) as client:
        client.drop_database(name)


@each_scenario
async def test_in_memory(scenario: Scenario) -> None:
    await scenario(FakeStore().as_store())


@each_scenario
async def test_on_the_real_store(scenario: Scenario, real: Store) -> None:
    await scenario(real)
