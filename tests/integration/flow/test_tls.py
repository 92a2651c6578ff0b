"""A broker that speaks TLS alone, with a certificate of the company's own authority (docs/security.md)."""

from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from chassis.messaging.broker_address import BrokerAddress
from deploy.local.broker import ExternalBroker, LocalBroker, find_rabbitmq
from deploy.local.ports import HOST, Ports
from deploy.local.store import Store
from deploy.management import Management, ManagementError
from tests.support.certificates import certificate
from tests.support.desk import paid_order
from tests.support.system import system_on


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Who signed the broker's certificate; the key is beside it."""
    return certificate(tmp_path_factory.mktemp("tls"))[0]


@pytest.fixture(scope="module")
def broker_with_tls(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalBroker]:
    if find_rabbitmq() is None:
        pytest.skip("no rabbitmq-server on this machine")
    folder = tmp_path_factory.mktemp("broker")
    ports = Ports(folder / "ports.json")
    broker = LocalBroker(folder, ports=ports, log=folder / "broker.log")
    amqps, https = ports.port("broker.amqps"), ports.port("broker.https")
    files = {"cacertfile": authority, "certfile": authority.with_name("server.pem")}
    files["keyfile"] = files["certfile"]
    with (folder / "rabbitmq.conf").open("a") as configuration:
        configuration.write(f"listeners.ssl.1 = {HOST}:{amqps}\nssl_options.verify = verify_none\n")
        configuration.write(f"management.ssl.ip = {HOST}\nmanagement.ssl.port = {https}\n")
        for name, file in files.items():
            configuration.write(f"ssl_options.{name} = {file}\nmanagement.ssl.{name} = {file}\n")
    broker.start()
    login = broker.url.removeprefix("amqp://").partition("@")[0]
    yield ExternalBroker(f"amqps://{login}@localhost:{amqps}/", f"https://{login}@localhost:{https}")
    broker.stop()


@pytest.fixture(params=["environment", "address"])
def trusted(
    request: pytest.FixtureRequest, broker_with_tls: ExternalBroker, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> ExternalBroker:
    """The broker, with the company's authority named for all of a process's connections, or for the broker's alone."""
    if request.param == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        return broker_with_tls
    url = f"{broker_with_tls.url}?cafile={authority}"
    return ExternalBroker(url, BrokerAddress(url).like_this(str(broker_with_tls.management_url)))


async def test_an_order_is_paid_over_tls(trusted: ExternalBroker, store: Store) -> None:
    async with system_on(trusted, store) as system:
        order_id = await paid_order(system, system.guest())

        assert order_id


async def test_a_broker_that_an_unknown_authority_vouches_for_is_not_talked_to(broker_with_tls: ExternalBroker) -> None:
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await aio_pika.connect(broker_with_tls.url)
    with pytest.raises(ManagementError, match="CERTIFICATE_VERIFY_FAILED"):
        Management(str(broker_with_tls.management_url)).call("GET", "/api/overview")


async def test_an_authority_in_the_address_replaces_the_machines(
    broker_with_tls: ExternalBroker, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    another, _ = certificate(tmp_path)
    address = BrokerAddress(f"{broker_with_tls.url}?cafile={another}")

    with pytest.raises(aio_pika.exceptions.AMQPConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await aio_pika.connect(address.url)
    with pytest.raises(ManagementError, match="CERTIFICATE_VERIFY_FAILED"):
        Management(address.like_this(str(broker_with_tls.management_url))).call("GET", "/api/overview")
    with pytest.raises(ManagementError, match=r"reading the certificates in /no/such/file"):
        Management("https://localhost/?cafile=/no/such/file")
