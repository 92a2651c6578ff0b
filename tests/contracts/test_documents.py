"""The store in memory, with which components are tested, does what the real one does, scenario by scenario."""

import pytest

from chassis.storage.store import Store
from tests.simulation.contracts.store_scenarios import (
    SCENARIOS,
    Scenario,
    the_server_says_that_it_is_there_and_what_time_it_is,
)
from tests.support.fake_store import FakeStore

OF_DOCUMENTS = [each for each in SCENARIOS if each is not the_server_says_that_it_is_there_and_what_time_it_is]
each_scenario = pytest.mark.parametrize("scenario", OF_DOCUMENTS, ids=lambda scenario: scenario.__name__)


@each_scenario
async def test_in_memory(scenario: Scenario) -> None:
    await scenario(FakeStore().as_store())


@each_scenario
async def test_on_the_real_store(scenario: Scenario, real_store: Store) -> None:
    await scenario(real_store)
