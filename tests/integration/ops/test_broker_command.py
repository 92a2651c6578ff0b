"""`bellhop broker` on a broker of one's own: afterwards a service with nothing but its account starts and works."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from typer.testing import CliRunner

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from contracts.accounts import ACCOUNTS
from contracts.topology import MARK
from deploy.local.broker import Broker
from ops.cli.account_passwords import password_variable
from ops.cli.broker import SERVER
from ops.cli.main import app
from tests.support.examples import sample

PASSWORDS = {account.name: uuid.uuid4().hex for account in ACCOUNTS}


@pytest.fixture
def url(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty virtual host, named in the environment as its operator would."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    address = broker.new_vhost(name)
    monkeypatch.setenv("BELLHOP_AMQP_URL", address)
    assert broker.management_url
    scheme, _, rest = broker.management_url.partition("://")
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", f"{scheme}://{rest.partition('@')[2]}")
    for account, password in PASSWORDS.items():
        monkeypatch.setenv(password_variable(SERVER, account), password)
    yield address
    broker.drop_vhost(name)


async def test_afterwards_a_service_works_with_its_own_account(url: str) -> None:
    for _ in range(2):
        done = await asyncio.to_thread(CliRunner().invoke, app, ["broker"])
        assert done.exit_code == 0, done.output

    own = BrokerAddress(url).for_account("gateway", PASSWORDS["gateway"]).url
    bus = Bus(own, "gateway", Metrics("gateway"), publish_timeout=5, graceful_timeout=1, declares=False)
    try:
        await bus.start()
        await bus.publish(Envelope(sample("orders.place-order.v1"), "m-1", "c-1"))
    finally:
        await bus.stop()


async def queue_of_an_older_version(url: str, *, holding: int) -> None:
    """A dead queue without a delivery limit, as versions before decision 16 declared it."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("dead", "topic", durable=True)
        queue = await channel.declare_queue("psp.dead", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "psp.dead")
        for _ in range(holding):
            await exchange.publish(aio_pika.Message(b"{}", delivery_mode=2), "psp.dead")


async def test_an_empty_queue_of_an_older_version_is_named_and_replaced_when_asked(url: str) -> None:
    await queue_of_an_older_version(url, holding=0)

    refused = await asyncio.to_thread(CliRunner().invoke, app, ["broker"])
    done = await asyncio.to_thread(CliRunner().invoke, app, ["broker", "--recreate-empty"])

    assert refused.exit_code == 2
    assert "psp.dead: x-delivery-limit is None instead of 2000000000" in refused.output
    assert "bellhop broker --recreate-empty" in refused.output
    assert done.exit_code == 0, done.output


async def test_a_queue_of_an_older_version_that_holds_messages_is_left_as_it_is(url: str) -> None:
    await queue_of_an_older_version(url, holding=3)

    refused = await asyncio.to_thread(CliRunner().invoke, app, ["broker", "--recreate-empty"])

    assert refused.exit_code == 2
    assert "(not replaced: 3 messages, 0 consumers)" in refused.output
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        kept = await channel.declare_queue("psp.dead", passive=True)
        assert kept.declaration_result.message_count == 3
        dead = await channel.get_exchange("dead", ensure=False)
        await dead.publish(aio_pika.Message(b"{}"), "psp.dead", mandatory=True)


async def test_the_mark_of_another_topology_is_taken_away(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("topology.0123456789ab", durable=True, arguments={"x-queue-type": "quorum"})

        done = await asyncio.to_thread(CliRunner().invoke, app, ["broker"])

        assert done.exit_code == 0, done.output
        await channel.declare_queue(MARK.name, passive=True)
        with pytest.raises(ChannelNotFoundEntity):
            await channel.declare_queue("topology.0123456789ab", passive=True)


def test_every_password_that_is_missing_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RABBITMQ_GATEWAY_PASSWORD")
    monkeypatch.delenv("BELLHOP_AMQP_URL")

    done = CliRunner().invoke(app, ["broker"])

    assert done.exit_code == 2
    assert "Set BELLHOP_AMQP_URL, RABBITMQ_GATEWAY_PASSWORD first." in done.output


def test_a_login_the_management_api_does_not_know_is_said_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = url.partition("@")[2].partition("/")[0]
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", f"http://reader:hush-hush@{host}")

    done = CliRunner().invoke(app, ["broker"])

    assert done.exit_code == 2
    assert "management API failed" in done.output
    assert "hush" not in done.output


def test_the_permissions_can_be_shown_to_those_who_manage_users_elsewhere(url: str) -> None:
    shown = json.loads(CliRunner().invoke(app, ["broker", "--show"]).output)

    assert [entry["user"] for entry in shown["permissions"]] == [account.name for account in ACCOUNTS]
    assert shown["users"] == []
