"""Whole orders on every series, with an account per service. `make test-rabbitmq` runs all suites on one of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker, LocalBroker
from deploy.local.store import Store
from tests.support.guest import Json, body
from tests.support.outages import until_streams_survive_a_kill
from tests.support.system import DECLINED_CARD, SERVICES, System, system_on
from tests.support.waiting import until

RECOVERY = 60.0


@pytest.fixture
async def system_of_series(broker_of_series: Broker, store: Store) -> AsyncIterator[System]:
    async with system_on(broker_of_series, store, reply_timeout=5.0) as system:
        yield system


async def test_an_order_is_paid_after_a_declined_card_and_nothing_is_parked(system_of_series: System) -> None:
    guest = system_of_series.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    await system_of_series.pay(session, DECLINED_CARD)
    body(await system_of_series.pay(session), 200)

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert set((await system_of_series.parked()).values()) == {0}


async def test_every_service_is_ready_and_knows_the_depth_behind_the_limit_on_waiting_orders(
    system_of_series: System,
) -> None:
    readiness: dict[str, Json] = {}

    for part in SERVICES:
        readiness[part] = body(await system_of_series.operator(part, "/health/ready"), 200)

    assert {part: said["status"] for part, said in readiness.items()} == dict.fromkeys(SERVICES, "ready")
    assert not any(said["problems"] for said in readiness.values())


async def test_an_order_that_is_paid_while_the_broker_is_killed_is_confirmed_when_it_is_back(
    system_of_series: System, broker_of_series: Broker
) -> None:
    assert isinstance(broker_of_series, LocalBroker)
    guest = system_of_series.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    await until(system_of_series.webhooks_delivered, "the PSP has nothing more to tell")
    await until_streams_survive_a_kill(broker_of_series, broker_of_series.process.log.parents[1])

    await asyncio.to_thread(broker_of_series.kill)
    body(await system_of_series.pay(session), 200)
    await asyncio.to_thread(broker_of_series.start)

    await guest.sees(order_id, status="confirmed", within=RECOVERY)
    assert set((await system_of_series.parked()).values()) == {0}
