"""A RabbitMQ that is unpacked beside the machine's own is an ordinary process of the series it is asked for."""

import psutil
import pytest

from deploy.local.broker import Broker, broker_for
from deploy.management import Management
from tests.support.containers import running
from tests.support.waiting import eventually
from tools.rabbitmq_root import SUITES, RootError, rabbitmq_server


def version_of(broker: Broker) -> str:
    assert broker.management_url
    return str(Management(broker.management_url).call("GET", "/api/overview")["rabbitmq_version"])


@pytest.mark.parametrize("series", SUITES)
def test_a_broker_of_a_series_is_a_process_that_leaves_nothing_behind(
    series: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BELLHOP_AMQP_URL", raising=False)
    try:
        monkeypatch.setenv("BELLHOP_RABBITMQ_SERVER", str(rabbitmq_server(series)))
    except RootError as error:
        pytest.skip(f"RabbitMQ {series} is not tested here: {error}")

    with running(broker_for(tmp_path_factory.mktemp("broker"))) as broker:
        version = version_of(broker)
        family = [psutil.Process(broker.pid), *psutil.Process(broker.pid).children(recursive=True)]

    assert version.startswith(f"{series}.")
    assert not [process for process in family if process.is_running() and "epmd" in process.name()]
    eventually(lambda: not any(process.is_running() for process in family), what="the broker has gone")
