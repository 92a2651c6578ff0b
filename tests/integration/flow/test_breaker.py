"""A dependency is down: messages wait in their queues without retries, and health reports it."""

import asyncio

import pytest

from contracts.topology import RETRY_LADDER
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.guest import body
from tests.support.outages import store_to_kill
from tests.support.system import ADAPTER, EXTRAS, PAYMENTS, System, system_on
from tests.support.waiting import until

ORDERS = 24
RECOVERY = 60.0


async def test_a_store_that_is_away_costs_no_message_an_attempt(
    broker: Broker, tmp_path_factory: pytest.TempPathFactory, in_containers: bool
) -> None:
    with store_to_kill(tmp_path_factory.mktemp("store-to-kill"), in_containers=in_containers) as store:
        async with system_on(broker, store, reply_timeout=2.0, store_timeout=1.0) as system:
            guest = system.guest()
            await guest.order()
            await asyncio.to_thread(store.kill)

            # Two waves: the second one finds no consumer.
            placed = await asyncio.gather(*(guest.place() for _ in range(ORDERS // 2)))
            await until(lambda: says(system, EXTRAS, "breaker", "is unavailable since"), "the breaker is open")
            placed += await asyncio.gather(*(guest.place() for _ in range(ORDERS // 2)))
            await until(lambda: all_wait(system), "all of them are back in their queue")
            retrying = [await system.depth(tier.name) for tier in RETRY_LADDER]
            live = await system.operator(EXTRAS, "/health/live")
            await asyncio.to_thread(store.start)
            for answer in placed:
                await guest.sees(body(answer, 202)["order_id"], status="pending_payment", within=RECOVERY)

            assert retrying == [0] * len(RETRY_LADDER)
            assert live.status_code == 200
            assert await system.counted(EXTRAS, "bellhop_messages_handled", outcome="retried") == 0
            assert await system.order_count() == ORDERS + 1
            assert set((await system.parked()).values()) == {0}
            for part in (EXTRAS, PAYMENTS):
                await until(lambda part=part: is_well(system, part), f"{part} is ready again")  # type: ignore[misc]


async def test_a_psp_that_is_away_is_left_alone_until_it_answers(broker: Broker, store: Store) -> None:
    async with system_on(broker, store, reply_timeout=1.0, stripe_retries=0) as system:
        guest = system.guest()
        orders = [(await guest.order())["order_id"] for _ in range(ORDERS)]

        async with system.faults(api={"fail_500": {"probability": 1}}):
            answers = await asyncio.gather(*(guest.ask_for_session(order_id) for order_id in orders))
            await until(lambda: says(system, ADAPTER, "breaker", "the PSP is unavailable"), "the breaker is open")
            readiness = await system.operator(ADAPTER, "/health/ready")
            calls = system.opening.total
            late = (await guest.order())["order_id"]
            await guest.ask_for_session(late)
            not_called = system.opening.total
        for order_id in (*orders, late):
            await until(lambda order_id=order_id: has_session(system, order_id), "it opens", within=RECOVERY)  # type: ignore[misc]

        assert all(answer.status_code == 202 for answer in answers)
        # Its webhooks are still taken, so it stays in rotation.
        assert body(readiness, 200)["status"] == "degraded"
        assert calls == not_called
        assert [len(await system.intents(order_id)) for order_id in orders] == [1] * ORDERS
        assert set((await system.parked()).values()) == {0}
        await until(lambda: is_well(system, ADAPTER), "the adapter is well again")


async def says(system: System, part: str, check: str, words: str) -> bool:
    health = (await system.operator(part, "/health/ready")).json()
    return words in health["problems"].get(check, "")


async def all_wait(system: System) -> bool:
    return bool(await system.depth("extras.commands") == ORDERS)


async def is_well(system: System, part: str) -> bool:
    return bool((await system.operator(part, "/health/ready")).json()["status"] == "ready")


async def has_session(system: System, order_id: str) -> bool:
    document = await system.document(order_id)
    return document is not None and document["state"]["session"] is not None
