"""A broker of every series that Bellhop states to run on."""

from collections.abc import Iterator

import pytest

from deploy.local.broker import Broker, broker_for
from tools.rabbitmq_root import SUITES, RootError, rabbitmq_server

INSTALLED = "3.10"
"""The series that Debian 12 has, or whatever else is installed here."""


@pytest.fixture(scope="session", params=[INSTALLED, *SUITES])
def series(request: pytest.FixtureRequest) -> str:
    """3.10 stands for the RabbitMQ that is installed here."""
    return str(request.param)


@pytest.fixture(scope="session")
def broker_of_series(series: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running broker of that series; skipped, with the reason, where this machine cannot have one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BELLHOP_AMQP_URL", raising=False)
        patch.delenv("BELLHOP_RABBITMQ_SERVER", raising=False)
        if series in SUITES:
            try:
                patch.setenv("BELLHOP_RABBITMQ_SERVER", str(rabbitmq_server(series)))
            except RootError as error:
                pytest.skip(f"RabbitMQ {series} is not tested here: {error}")
        broker = broker_for(tmp_path_factory.mktemp(f"broker-{series}"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
