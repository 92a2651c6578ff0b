"""Systems for the tests about money: one for those that do no damage, others made on the spot."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.desk import Desk, is_clean
from tests.support.fixtures import _no_proxy_between_the_parts, own_system
from tests.support.guest import Guest
from tests.support.system import System, system_on

__all__ = ["_no_proxy_between_the_parts", "own_system"]


@pytest.fixture(scope="package")
async def system(broker: Broker, store: Store) -> AsyncIterator[System]:
    """One system for all tests that leave it as they found it; at the end its money must add up."""
    async with system_on(broker, store) as running:
        yield running
        await is_clean(running)


@pytest.fixture
def guest(system: System) -> Guest:
    return system.guest()


@pytest.fixture
def desk(system: System) -> Desk:
    return Desk.of(system)
