"""The broker and the store of a test session: containers where Docker answers, else processes on this machine."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from pymongo import MongoClient
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store as DocumentStore
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.containers import broker_in, docker_answers, store_in

TESTS = Path(__file__).parent


def pytest_configure() -> None:
    """Print plain tracebacks, give examples time, and hear Ctrl-C again where the parent ignores it (`nohup`, a job).

    structlog's own tracebacks cost a second of processor time each, in the event loop of the services under test.
    Programs that tests start inherit that SIGINT is ignored, and would not hear the one that a test sends them.
    """
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    # How long an example takes says how busy the machine is.
    settings.register_profile("bellhop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("bellhop")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def uses_containers() -> bool:
    """BELLHOP_TEST_PROCESSES=1 asks for processes although Docker is there; so does a RabbitMQ named by its path."""
    processes = os.environ.get("BELLHOP_TEST_PROCESSES") or os.environ.get("BELLHOP_RABBITMQ_SERVER")
    return not processes and docker_answers()


def pytest_xdist_auto_num_workers() -> int:
    """Two processes a core: most of a test's time is spent waiting for a server, a deadline or a browser.

    With containers all tests run in this process: Chromium drops its requests (ERR_NETWORK_CHANGED) whenever the
    network of another test's container comes or goes.
    """
    return 0 if uses_containers() else 2 * (os.cpu_count() or 1)


BROKERS_OF_EVERY_SERIES = "tests/integration/rabbitmq/"
ONE_BY_ONE = ("tests/simulation/test_", "tests/model/test_")


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Gives each process a file at a time. The files that need a broker of every series go to one process; histories
    and models, which need none and much processor time, go one by one to any."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(BROKERS_OF_EVERY_SERIES):
            return BROKERS_OF_EVERY_SERIES
        return nodeid if nodeid.startswith(ONE_BY_ONE) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


SLOW_FIRST = ("integration/rabbitmq", "chaos", "browser", "integration")
"""Suites in which one file takes minutes. Started last, such a file would run alone at the end."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the suites by what their files cost, the dearest first; within a suite the order stays."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(TESTS)
        return next((number for number, suite in enumerate(SLOW_FIRST) if path.is_relative_to(suite)), len(SLOW_FIRST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def in_containers() -> bool:
    return uses_containers()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, in_containers: bool) -> Iterator[Broker]:
    """A real RabbitMQ for the session. For a test that wants one to itself: `broker.new_vhost(name)`."""
    folder = tmp_path_factory.mktemp("broker")
    with broker_in(folder, in_containers=in_containers and not os.environ.get("BELLHOP_AMQP_URL")) as server:
        yield server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, in_containers: bool) -> Iterator[Store]:
    """A real store for the session. A test that wants it to itself uses a database name of its own."""
    folder = tmp_path_factory.mktemp("store")
    with store_in(folder, in_containers=in_containers and not os.environ.get("BELLHOP_MONGODB_URL")) as server:
        yield server


@pytest.fixture
def real_store(store: Store) -> Iterator[DocumentStore]:
    """The services' own client of the store, on a database that nothing else uses."""
    name = f"contract_{uuid.uuid4().hex[:8]}"
    connected = DocumentStore(store.url, name, Metrics("test"), timeout=10)
    yield connected
    connected.close()
    with MongoClient[dict[str, Any]](store.url) as client:
        client.drop_database(name)
