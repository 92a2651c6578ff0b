"""Fixtures of running systems: one shared by the tests that do no damage, others made for one test."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import Guest
from tests.support.system import System, system_on

MakeSystem = Callable[..., AbstractAsyncContextManager[System]]


@pytest.fixture(scope="session", autouse=True)
def _no_proxy_between_the_parts() -> None:
    """The PSP's SDK heeds proxies from the environment; the sandbox is on this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))


@pytest.fixture(scope="package")
async def system(broker: Broker, store: Store) -> AsyncIterator[System]:
    """One system for all tests of a folder that leave it as they found it.

    It ends with the folder: a running system takes 3 to 6 % of a core although nothing happens.
    """
    async with system_on(broker, store) as running:
        yield running


@pytest.fixture
def guest(system: System) -> Guest:
    return system.guest()


@pytest.fixture
async def own_system(broker: Broker, store: Store) -> AsyncIterator[Callable[..., Any]]:
    """Makes a system for one test: `system = await own_system(pay_within=…)`. Started in about 0.3 s."""
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> System:
            return await stack.enter_async_context(partial(system_on, broker, store)(**changes))

        yield make
