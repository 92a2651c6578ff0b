"""Connections go half-open under load: nothing comes through, nothing is closed. Orders are late, and none is lost.

Services see it by the time-outs of docs/time.md, and here by shorter ones.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from yarl import URL

from deploy.local.broker import Broker
from deploy.local.store import LocalStore, Store
from tests.integration.flow.half_open import BOTH, TO_CLIENT, TO_SERVER, HalfOpenProxy
from tests.integration.flow.test_frozen_peers import confirmed, order_and_pay
from tests.support.accounts import accounts_at
from tests.support.system import SERVICES, Setup, System
from tests.support.waiting import until

ORDERS = 4
HEARTBEAT = 1
"""Seconds; the least there is."""
TIMEOUT = 1.0
WORK = 20.0
"""Seconds for the orders themselves, on an idle machine; nothing takes so long."""
SEEN_WITHIN = {
    # Without any frame, three times the heartbeat and a second; then the connection is opened again.
    "broker": 3 * (HEARTBEAT + 1) + 0.5,
    # The driver asks its server every 10 s, and gives up all connections to one that does not answer.
    "store": 10 + 2 * TIMEOUT,
    # An answer of the PSP is waited for three times.
    "PSP": 3 * TIMEOUT,
}
BY_ONE_SIDE = [("broker", TO_SERVER), ("broker", TO_CLIENT), ("store", TO_CLIENT), ("PSP", TO_CLIENT)]


@asynccontextmanager
async def system_through(peer: str, broker: Broker, store: Store) -> AsyncIterator[tuple[System, HalfOpenProxy]]:
    """A system whose services reach one peer through the proxy; the test itself goes straight."""
    if peer == "store" and not isinstance(store, LocalStore):
        pytest.skip("a replica set names its own address, past the proxy")
    name = f"half-open-{uuid.uuid4().hex[:8]}"
    url = str(URL(broker.new_vhost(name)).update_query(heartbeat=HEARTBEAT))
    accounts = {part: _with_heartbeat(address) for part, address in (await accounts_at(broker, url)).items()}
    system = System(
        Setup(
            amqp_url=url,
            mongodb_url=store.url,
            database=name,
            accounts=accounts,
            publish_timeout=TIMEOUT,
            store_timeout=TIMEOUT,
            reply_timeout=TIMEOUT,
            stripe_timeout=TIMEOUT,
            poll_interval_factor=0.05,
        )
    )
    address = {"broker": url, "store": store.url, "PSP": system.sandbox.url}[peer]
    async with AsyncExitStack() as stack:
        stack.callback(broker.drop_vhost, name)
        proxy = await stack.enter_async_context(HalfOpenProxy(address).running())
        if peer == "broker":
            through = {part: proxy.through(address) for part, address in accounts.items()}
            system.setup = replace(system.setup, accounts=through)
        elif peer == "store":
            system.setup = replace(system.setup, mongodb_url=proxy.through())
        else:
            system.setup = replace(system.setup, stripe_api_base=proxy.through())
        stack.push_async_callback(system.stop)
        await system.start()
        yield system, proxy


def _with_heartbeat(address: str) -> str:
    return str(URL(address).update_query(heartbeat=HEARTBEAT))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("peer", "directions"),
    [*((peer, BOTH) for peer in SEEN_WITHIN), *((peer, (direction,)) for peer, direction in BY_ONE_SIDE)],
    ids=lambda value: value if isinstance(value, str) else " and ".join(value),
)
async def test_every_order_is_confirmed_once_although_connections_are_half_open(
    broker: Broker, store: Store, peer: str, directions: tuple[str, ...]
) -> None:
    async with system_through(peer, broker, store) as (system, proxy):
        guest = system.guest()
        await order_and_pay(system, guest)  # connections are open, and have been used
        orders = asyncio.gather(*(order_and_pay(system, guest) for _ in range(ORDERS)))
        await until(lambda: _some(system), "some of the orders are under way")

        stalled = proxy.stall(*directions)
        within = SEEN_WITHIN[peer] + WORK
        await until(orders.done, f"guests can order and pay within {within:.0f} s", within=within)
        for order_id in await orders:
            order = await until(partial(confirmed, guest, order_id), f"{order_id} is confirmed", within=within)
            intents = await system.intents(order_id)
            assert sum(intent["amount_received"] for intent in intents) == order["total"]["amount"]

        for part in SERVICES:
            await until(partial(is_ready, system, part), f"{part} is ready again, its log included", within=within)
        assert stalled > 0
        assert proxy.connections > 0, "new connections take the place of those that stand still"
        assert await until(system.webhooks_delivered, "every webhook was taken")


async def is_ready(system: System, part: str) -> bool:
    return bool((await system.operator(part, "/health/ready")).json()["status"] == "ready")


async def _some(system: System) -> bool:
    return await system.order_count() > 1
