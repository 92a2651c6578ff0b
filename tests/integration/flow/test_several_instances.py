"""Two of every service side by side: each message, deadline and reply is dealt with once, and by the right one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

import extras_service.app
import gateway.app
import payment_service.app
import psp_adapter.app
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import Guest, body
from tests.support.serving import Served
from tests.support.system import System, system_on

GUESTS = 16


@dataclass(frozen=True)
class Pair:
    """A system, and a second instance of each of its services."""

    system: System
    second_gateway: Served

    def guest(self, number: int) -> Guest:
        """Every second guest comes through the second gateway."""
        guest = self.system.guest()
        if number % 2:
            guest.http.base_url = httpx.URL(self.second_gateway.url)
        return guest


@pytest.fixture(scope="module")
async def pair(broker: Broker, store: Store) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(system_on(broker, store, pay_within=timedelta(seconds=20)))
        seconds = [
            Served("second gateway", lambda: gateway.app.create_app(system.gateway_settings())),
            Served("second extras", lambda: extras_service.app.create_app(system.extras_settings())),
            Served("second payments", lambda: payment_service.app.create_app(system.payment_settings())),
            Served("second adapter", lambda: psp_adapter.app.create_app(system.adapter_settings())),
        ]
        for one in seconds:
            await one.start()
            stack.push_async_callback(one.stop)
        yield Pair(system, seconds[0])


async def test_every_guest_is_answered_by_the_gateway_that_was_asked_and_each_fact_happens_once(pair: Pair) -> None:
    guests = [pair.guest(number) for number in range(GUESTS)]

    orders = await asyncio.gather(*(guest.order() for guest in guests))
    sessions = await asyncio.gather(
        *(guest.session(order["order_id"]) for guest, order in zip(guests[: GUESTS // 2], orders, strict=False))
    )
    for session in sessions:
        body(await pair.system.pay(session), 200)

    for number, (guest, order) in enumerate(zip(guests, orders, strict=True)):
        order_id = order["order_id"]
        ending = "confirmed" if number < GUESTS // 2 else "expired"
        await guest.sees(order_id, status=ending, within=60)
        await pair.system.log_of(order_id, f"orders.order-{ending}.v1")
    counted = await facts(pair.system)
    for kind, count in (
        ("order-pending-payment", GUESTS),
        ("order-confirmed", GUESTS // 2),
        ("order-expired", GUESTS // 2),
    ):
        assert counted[f"orders.{kind}.v1"] == count
    assert set((await pair.system.parked()).values()) == {0}


async def facts(system: System) -> Counter[str]:
    """How many messages of each kind were published. An instance may repeat one of another, under the same id."""
    ids = {(message.type or "", message.message_id) for message in await system.log()}
    return Counter(kind for kind, _ in ids)


async def test_a_live_view_is_updated_whichever_instance_the_news_comes_from(pair: Pair) -> None:
    guest = pair.guest(1)
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with guest.watching(order_id) as events:
        first = await anext(events)
        body(await pair.system.pay(session), 200)
        async for event in events:
            if event.event == "orders.order-confirmed":
                break

    assert first.event == "orders.order-state"
    assert event.status == "confirmed"
