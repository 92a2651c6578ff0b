"""The broker or the store is frozen for longer than any time-out, its connections open: orders are late, not lost."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from deploy.local.broker import Broker
from deploy.local.store import LocalStore, Store
from tests.integration.flow.test_sigterm import done
from tests.support.guest import Guest, Json
from tests.support.outages import frozen, frozen_process
from tests.support.system import System
from tests.support.waiting import until

SECONDS = 60 if os.environ.get("BELLHOP_CHAOS") == "long" else 4
ORDERS = 4


@contextmanager
def frozen_peer(peer: str, broker: Broker, store: Store) -> Iterator[None]:
    if peer == "broker":
        with frozen(broker):
            yield
        return
    if not isinstance(store, LocalStore):
        pytest.skip("only a process of our own can be frozen")
    with frozen_process(store.pid):
        yield


@pytest.mark.timeout(400)
@pytest.mark.parametrize("peer", ["broker", "store"])
async def test_every_order_is_confirmed_once_although_a_peer_stood_still(
    own_system: Callable[..., Awaitable[System]], broker: Broker, store: Store, peer: str
) -> None:
    system = await own_system(publish_timeout=1.0, store_timeout=1.0, reply_timeout=1.0)
    guest = system.guest()

    orders = asyncio.gather(*(order_and_pay(system, guest) for _ in range(ORDERS)))
    await asyncio.sleep(0.2)  # some of their messages are under way
    with frozen_peer(peer, broker, store):
        await asyncio.sleep(SECONDS)
    paid = await orders

    assert len(set(paid)) == ORDERS
    for order_id in paid:
        order = await until(partial(confirmed, guest, order_id), f"{order_id} is confirmed")
        intents = await system.intents(order_id)
        assert sum(intent["amount_received"] for intent in intents) == order["total"]["amount"]
    assert await until(system.webhooks_delivered, "every webhook was taken")


async def order_and_pay(system: System, guest: Guest) -> str:
    """A guest who tries again, with the same key, until it works."""
    key = os.urandom(8).hex()
    placed = await until(lambda: done(guest.place(key=key)), "the order is placed")
    session = await until(lambda: done(guest.ask_for_session(placed["order_id"])), "the session is open")
    await system.pay(session)
    return placed["order_id"]


async def confirmed(guest: Guest, order_id: str) -> Json | None:
    answer = await guest.look(order_id)
    order: Json = answer.json()
    return order if answer.status_code == 200 and order["status"] == "confirmed" else None
