"""The broker and the store as the local stack starts them: real processes, killed and started again."""

import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import psutil
import pytest
from pymongo import MongoClient, WriteConcern

from deploy.local.broker import Broker, LocalBroker, broker_for, can_connect
from deploy.local.patience import patient
from deploy.local.ports import _EPHEMERAL, Ports, free_port, is_free
from deploy.local.process import PartError
from deploy.local.store import LocalStore, Store, can_ping, store_for
from tests.support.containers import running
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about processes of our own, whatever the environment offers."""
    monkeypatch.delenv("BELLHOP_AMQP_URL", raising=False)
    monkeypatch.delenv("BELLHOP_MONGODB_URL", raising=False)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BELLHOP_AMQP_URL", raising=False)
        with running(broker_for(tmp_path_factory.mktemp("own-broker"))) as server:
            yield server


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BELLHOP_MONGODB_URL", raising=False)
        with running(store_for(tmp_path_factory.mktemp("own-store"))) as server:
            yield server


def is_registered_on_disk(broker: Broker, queue: str) -> bool:
    """RabbitMQ 3.10.8 writes the names of quorum queues 1 s after declaring them. Killed before that, it comes back
    with a queue that never finds its leader (measured: at 0.3 and 0.7 s broken, at 1.2 s well)."""
    assert isinstance(broker, LocalBroker)
    files = (broker.process.log.parents[1] / "broker" / "data").glob("*/quorum/*/names.dets")
    return any(queue.encode() in file.read_bytes() for file in files)


async def test_a_confirmed_message_in_a_quorum_queue_survives_the_brokers_death(own_broker: Broker) -> None:
    async with await aio_pika.connect(own_broker.url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"hello", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
    eventually(lambda: is_registered_on_disk(own_broker, "kept"), what="the queue's name is on disk")

    url, pid = own_broker.url, own_broker.pid
    own_broker.kill()
    own_broker.start()

    assert (own_broker.url, own_broker.pid != pid) == (url, True)
    async with await aio_pika.connect(own_broker.url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        received = await queue.get(timeout=patient(10))
        await received.ack()
        assert received.body == b"hello"


def test_a_new_vhost_takes_connections_until_it_is_dropped(own_broker: Broker) -> None:
    url = own_broker.new_vhost("one/test")

    assert can_connect(url)

    own_broker.drop_vhost("one/test")
    assert not can_connect(url)


def test_the_broker_listens_on_the_loopback_address_only_and_starts_no_epmd(own_broker: Broker) -> None:
    process = psutil.Process(own_broker.pid)

    listening = {each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}

    assert "beam" in process.name()
    assert listening == {"127.0.0.1"}
    assert not [child for child in process.children(recursive=True) if "epmd" in child.name()]


def test_only_we_can_read_the_brokers_password(own_broker: Broker) -> None:
    assert isinstance(own_broker, LocalBroker)
    folder = own_broker.process.log.parents[1] / "broker"

    modes = {stat.S_IMODE((folder / name).stat().st_mode) for name in ("password", "rabbitmq.conf")}

    assert modes == {0o600}


def test_a_journaled_write_survives_the_stores_death(own_store: Store) -> None:
    with MongoClient[dict[str, object]](own_store.url) as client:
        orders = client.get_database("shop").get_collection("orders")
        orders.with_options(write_concern=WriteConcern(w="majority", j=True)).insert_one({"_id": 1})

    url = own_store.url
    own_store.kill()
    own_store.start()

    assert own_store.url == url
    with MongoClient[dict[str, object]](own_store.url) as client:
        assert client.get_database("shop").get_collection("orders").find_one() == {"_id": 1}


def test_the_embedded_store_is_addressed_without_retryable_writes(own_store: Store) -> None:
    assert ("retryWrites=false" in own_store.url) == (own_store.kind == "SecantusDB")


def test_a_stopped_store_leaves_no_process_and_frees_its_port(tmp_path: Path) -> None:
    with running(store_for(tmp_path)) as store:
        group = [psutil.Process(store.pid), *psutil.Process(store.pid).children(recursive=True)]
        port = urlsplit(store.url).port or 0

    eventually(lambda: not any(process.is_running() for process in group), what="the store and its tether are gone")
    assert is_free(port)


def test_a_store_that_cannot_start_shows_its_log_and_says_what_to_do(tmp_path: Path) -> None:
    store = store_for(tmp_path)
    assert isinstance(store, LocalStore)
    folder = tmp_path / f"store-{store.kind.lower()}"
    folder.rmdir()
    folder.write_text("not a folder")

    with pytest.raises(PartError) as failed:
        store.start()

    assert failed.value.tail
    assert f"remove {folder}" in str(failed.value)
    assert str(tmp_path / "logs" / "store.log") in str(failed.value)


def test_a_broker_elsewhere_is_used_and_never_stopped(
    own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLHOP_AMQP_URL", own_broker.url)

    with running(broker_for(tmp_path)) as broker:
        assert broker.url == own_broker.url
        with pytest.raises(PartError, match="cannot be killed"):
            broker.kill()

    assert can_connect(own_broker.url)
    assert not (tmp_path / "broker").exists()


def test_a_broker_elsewhere_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLHOP_AMQP_URL", f"amqp://user:secret@127.0.0.1:{Ports(tmp_path / 'p.json').port('x')}/")

    with pytest.raises(PartError, match=r"no connection to 127\.0\.0\.1") as failed:
        broker_for(tmp_path).start()

    assert "secret" not in str(failed.value)


def test_a_store_elsewhere_is_used_and_never_stopped(
    own_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLHOP_MONGODB_URL", own_store.url)

    with running(store_for(tmp_path)) as store:
        assert store.url == own_store.url

    assert can_ping(own_store.url)


@pytest.mark.skipif(not _EPHEMERAL.exists(), reason="only Linux names its ports of outgoing connections there")
def test_no_outgoing_connection_takes_the_port_of_a_server_that_is_down() -> None:
    lowest = int(_EPHEMERAL.read_text().split()[0])

    chosen = [free_port() for _ in range(50)]

    assert len(set(chosen)) == len(chosen)
    assert max(chosen) < lowest


def test_ports_stay_the_same_from_run_to_run_while_they_are_free(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json")
    chosen = [first.port("a"), first.port("b")]

    again = Ports(tmp_path / "ports.json")

    assert [again.port("a"), again.port("b")] == chosen
    assert len(set(chosen)) == 2


def test_a_port_taken_by_another_process_is_replaced(tmp_path: Path, own_store: Store) -> None:
    taken = urlsplit(own_store.url).port
    (tmp_path / "ports.json").write_text(f'{{"a": {taken}}}')

    assert Ports(tmp_path / "ports.json").port("a") != taken
