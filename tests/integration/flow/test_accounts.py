"""The services' accounts at a real broker: what each may do works, and everything else is refused.

That all flows run under these accounts is shown by the other tests of this folder: their systems use them.
"""

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError
from aiormq.exceptions import ChannelAccessRefused

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.messaging.queue_depth import depth_of
from chassis.messaging.topology import MissingTopologyError, TopologyUnreadableError
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import bus_notices
from contracts.accounts import ACCOUNTS, Account
from contracts.message import Command, Event, Message, Query
from contracts.topology import EXCHANGES, EXTRAS_COMMANDS, LIVE_KINDS, MARK, QUEUES, RETRY_LADDER
from deploy.accounts import declare_topology
from deploy.local.broker import Broker
from deploy.management import Management, ManagementError
from tests.support.accounts import accounts_at

Addresses = Mapping[str, str]
GATEWAY, EXTRAS, PAYMENTS, ADAPTER, NOTIFICATIONS, WEBHOOKS = (account.name.replace("-", "_") for account in ACCOUNTS)
WORK = [queue.name for queue in QUEUES if "." in queue.name and not queue.name.startswith("retry")]
FAILING = ["dead", *(tier.name for tier in RETRY_LADDER)]
KEYS = {
    "commands": [kind for kind, message in Message.kinds.items() if issubclass(message, Command)],
    "events": [kind for kind, message in Message.kinds.items() if issubclass(message, Event)],
    "queries": [kind for kind, message in Message.kinds.items() if issubclass(message, Query)],
    "replies": ["gateway.replies.x", "gateway.live.x", "extras.commands"],
    **dict.fromkeys(FAILING, WORK),
    "copies": [
        "commands.orders.place-order.v1",
        "commands.psp.create-psp-refund.v1",
        "events.payments.payment-succeeded.v1",
        "events.orders.order-confirmed.v1",
        "failures.any.v1",
        "log.gap.v1",
    ],
}


@pytest.fixture(scope="module")
async def addresses(broker: Broker) -> AsyncIterator[Addresses]:
    """Each part's address in a virtual host of these tests' own, where no service runs."""
    name = f"accounts-{uuid.uuid4().hex[:8]}"
    url = broker.new_vhost(name)
    yield {"operator": url, **await accounts_at(broker, url)}
    broker.drop_vhost(name)


@asynccontextmanager
async def channel_of(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def allowed_of(url: str, steps: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Which of these things an account may do. Each on a channel of its own: a refusal closes it."""
    allowed = []
    async with await aio_pika.connect(url) as connection:
        for step in steps:
            channel = await connection.channel()
            try:
                await do(channel, *step)
            except ChannelAccessRefused:
                continue
            allowed.append(step)
            await channel.close()
    return allowed


async def may(url: str, *step: str) -> bool:
    return await allowed_of(url, [step]) == [step]


async def ignore(_message: AbstractIncomingMessage) -> None:
    """Taken, and that is that."""


async def do(channel: AbstractChannel, verb: str, *names: str) -> None:
    match verb, names:
        case "publish", ("", key):
            await channel.default_exchange.publish(aio_pika.Message(b"{}"), key, mandatory=False)
        case "publish", (exchange, key):
            target = await channel.get_exchange(exchange, ensure=False)
            await target.publish(aio_pika.Message(b"{}"), key, mandatory=False)
        case "take", ("log",):
            await channel.set_qos(prefetch_count=1)
            await (await channel.get_queue("log", ensure=False)).consume(ignore)
        case "take", (queue,):
            await (await channel.get_queue(queue, ensure=False)).consume(ignore, no_ack=True)
        case "declare queue", (queue,):
            await channel.declare_queue(queue, exclusive=True)
        case "declare exchange", (exchange,):
            await channel.declare_exchange(exchange)
        case "delete queue", (queue,):
            await channel.queue_delete(queue)
        case "hear", (exchange, key, queue):
            own = await channel.declare_queue(queue, exclusive=True)
            await own.bind(exchange, key)
        case "bind", (exchange, key, queue):
            await (await channel.get_queue(queue, ensure=False)).bind(exchange, key)
        case _:
            raise AssertionError(verb)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_an_account_publishes_what_is_its_to_send_and_nothing_else(
    account: Account, addresses: Addresses
) -> None:
    url = addresses[account.name.replace("-", "_")]
    tried = [("publish", exchange, key) for exchange, keys in KEYS.items() for key in keys]

    allowed = await allowed_of(url, tried)

    assert allowed == [
        ("publish", exchange, key)
        for _, exchange, key in tried
        if any(_fits(key, pattern) for pattern in account.publishes.get(exchange, ()))
    ]


def _fits(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("%") else key == pattern


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_an_account_takes_from_its_own_queues_and_from_no_other(account: Account, addresses: Addresses) -> None:
    url = addresses[account.name.replace("-", "_")]
    tried = [("take", queue.name) for queue in QUEUES]

    assert {queue for _, queue in await allowed_of(url, tried)} == set(account.takes)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_an_account_declares_deletes_and_rebinds_nothing_that_others_use(
    account: Account, addresses: Addresses
) -> None:
    url = addresses[account.name.replace("-", "_")]

    tried = [
        *[("publish", "", queue.name) for queue in QUEUES],
        *[("declare queue", name) for name in ("anything", "extras.commands", "log", "gateway")],
        *[("declare exchange", name) for name in ("anything", "commands")],
        *[("delete queue", queue.name) for queue in QUEUES],
        ("bind", "commands", "#", "extras.commands"),
    ]

    assert await allowed_of(url, tried) == []


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        (GATEWAY, ("take", "extras.commands")),
        (GATEWAY, ("take", "log")),
        (GATEWAY, ("publish", "events", "payments.payment-succeeded.v1")),
        (GATEWAY, ("publish", "commands", "psp.create-psp-refund.v1")),
        (GATEWAY, ("publish", "retry.1s", "psp.commands")),
        (GATEWAY, ("hear", "commands", "#", "gateway.live.spy")),
        (GATEWAY, ("hear", "events", "#", "gateway.live.spy")),
        (GATEWAY, ("hear", "copies", "#", "gateway.live.spy")),
        (GATEWAY, ("publish", "copies", "events.payments.payment-succeeded.v1")),
        (GATEWAY, ("hear", "events", "psp.psp-session-created.v1", "gateway.live.spy")),
        (EXTRAS, ("publish", "commands", "psp.create-psp-refund.v1")),
        (EXTRAS, ("publish", "events", "payments.payment-succeeded.v1")),
        (EXTRAS, ("publish", "retry.1s", "psp.commands")),
        (EXTRAS, ("hear", "replies", "#", "extras-service.spy")),
        (NOTIFICATIONS, ("publish", "commands", "orders.cancel-order.v1")),
        (NOTIFICATIONS, ("publish", "commands", "mail.keep-contact.v1")),
        (NOTIFICATIONS, ("publish", "events", "orders.order-cancelled.v1")),
        (NOTIFICATIONS, ("hear", "events", "#", "notifications.replies.spy")),
        (WEBHOOKS, ("publish", "commands", "orders.refund-order.v1")),
        (WEBHOOKS, ("publish", "events", "orders.order-cancelled.v1")),
        (WEBHOOKS, ("hear", "events", "#", "webhooks.replies.spy")),
        (EXTRAS, ("publish", "commands", "mail.send-mail.v1")),
        (PAYMENTS, ("publish", "events", "psp.psp-payment-succeeded.v1")),
        (PAYMENTS, ("publish", "commands", "orders.place-order.v1")),
        (PAYMENTS, ("publish", "dead", "psp.dead")),
        (ADAPTER, ("publish", "commands", "psp.create-psp-refund.v1")),
        (ADAPTER, ("publish", "events", "payments.payment-succeeded.v1")),
        (ADAPTER, ("publish", "retry.1s", "payments.psp")),
        (ADAPTER, ("take", "payments.psp")),
    ],
)
async def test_what_a_broken_into_service_would_try_is_refused(
    part: str, forbidden: tuple[str, ...], addresses: Addresses
) -> None:
    assert await may(addresses["operator"], *forbidden)
    assert not await may(addresses[part], *forbidden)


async def test_the_gateway_hears_the_live_events_and_its_own_replies_over_queues_of_its_own(
    addresses: Addresses,
) -> None:
    url = addresses[GATEWAY]

    live = [("hear", bound.exchange, bound.routing_key, "gateway.live.1") for bound in LIVE_KINDS]

    assert await allowed_of(url, live) == live
    assert await may(url, "hear", "replies", "gateway.replies.1", "gateway.replies.1")
    assert not await may(url, "hear", "replies", "#", "gateway.replies.1")


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
def test_an_account_has_no_say_in_the_brokers_management(
    account: Account, addresses: Addresses, broker: Broker
) -> None:
    assert broker.management_url
    login = addresses[account.name.replace("-", "_")].partition("://")[2].partition("@")[0]
    scheme, _, rest = broker.management_url.partition("://")

    with pytest.raises(ManagementError, match="401"):
        Management(f"{scheme}://{login}@{rest.partition('@')[2]}").call("GET", "/api/overview")


@asynccontextmanager
async def started(account: Account, url: str) -> AsyncIterator[Bus]:
    """A service's bus under its own account, which may not declare."""
    bus = Bus(url, account.name, Metrics(account.name), publish_timeout=5, graceful_timeout=1, declares=False)
    try:
        await bus.start()
        yield bus
    finally:
        await bus.stop()


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_a_service_starts_and_consumes_under_its_own_account(account: Account, addresses: Addresses) -> None:
    async with started(account, addresses[account.name.replace("-", "_")]) as bus:
        assert await bus.is_connected()


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.name)
async def test_without_the_topology_mark_a_service_says_what_is_missing_and_what_to_do(
    account: Account, addresses: Addresses
) -> None:
    async with channel_of(addresses["operator"]) as channel:
        await channel.queue_delete(MARK.name)

    with pytest.raises(MissingTopologyError, match=rf"no queue {MARK.name}.*Run `bellhop broker` of this version"):
        async with started(account, addresses[account.name.replace("-", "_")]):
            pass

    await declare_topology(addresses["operator"])


async def test_a_running_service_says_when_the_topology_is_no_longer_of_its_version(addresses: Addresses) -> None:
    async with started(ACCOUNTS[-1], addresses[ADAPTER]) as bus:
        async with channel_of(addresses["operator"]) as channel:
            await channel.queue_delete(MARK.name)
        await bus.verify_topology()
        said = await bus_notices(bus)["topology"]()
        await declare_topology(addresses["operator"])
        await bus.verify_topology()

        assert said is not None
        assert "Run `bellhop broker` of this version" in said
        assert await bus_notices(bus)["topology"]() is None


async def test_an_account_that_may_not_read_the_mark_says_so_and_what_to_do(
    addresses: Addresses, broker: Broker
) -> None:
    assert broker.management_url
    path = f"/api/permissions/{BrokerAddress(addresses['operator']).vhost}/{ADAPTER.replace('_', '-')}"
    rights = {"configure": "^$", "write": "^$", "read": "^psp\\.commands$"}
    Management(broker.management_url).call("PUT", path, rights)

    with pytest.raises(TopologyUnreadableError, match=rf"may not read {MARK.name}.*Run `bellhop broker`"):
        async with started(ACCOUNTS[-1], addresses[ADAPTER]):
            pass

    await accounts_at(broker, addresses["operator"])


async def test_the_gateway_may_ask_how_many_commands_wait_and_no_more(addresses: Addresses) -> None:
    async with started(ACCOUNTS[0], addresses[GATEWAY]) as bus:
        assert await depth_of(bus, EXTRAS_COMMANDS, timeout=5) >= 0
    assert not await may(addresses[GATEWAY], "take", EXTRAS_COMMANDS.name)
    assert not await may(addresses[GATEWAY], "publish", "", EXTRAS_COMMANDS.name)


async def test_a_service_starts_without_the_log(addresses: Addresses) -> None:
    async with channel_of(addresses["operator"]) as channel:
        await channel.queue_delete("log")

    async with started(ACCOUNTS[-1], addresses[ADAPTER]) as bus:
        assert await bus.is_connected()


async def test_all_accounts_are_distinct_at_the_broker(addresses: Addresses) -> None:
    with pytest.raises((AMQPError, ConnectionError)):
        await aio_pika.connect(addresses[GATEWAY].replace("gateway:", "psp-adapter:"))


def test_every_exchange_is_tried() -> None:
    assert set(KEYS) == {exchange.name for exchange in EXCHANGES}
