"""The PSP will not be asked by us: an outage of our configuration. Nothing is decided, and afterwards all goes on."""

import asyncio
from typing import Any

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.desk import cancel, intent_of, is_clean, paid_order, payment_is, refunds_of
from tests.support.guest import body
from tests.support.system import ADAPTER, System, system_on
from tests.support.waiting import until

EVERY_CALL: dict[str, Any] = {"probability": 1}
REFUNDS: dict[str, Any] = EVERY_CALL | {"match": "POST /v1/refunds"}
RECOVERY = 60.0


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"fail_401": EVERY_CALL}, "Expired API Key"),
        ({"fail_403": REFUNDS}, "permissions for POST /v1/refunds"),
    ],
    ids=["a revoked key", "a key without the right to refund"],
)
async def test_a_refund_asked_while_the_key_is_wrong_is_made_once_the_key_is_right(
    broker: Broker, store: Store, faults: dict[str, Any], says: str
) -> None:
    async with system_on(broker, store) as system:
        guest = system.guest()
        order_id = await paid_order(system, guest)

        async with system.faults(api=faults):
            body(await cancel(guest, order_id), 200)
            await until(lambda: refuses(system, says), "the adapter says that the PSP refuses it")
            meanwhile = await refund_stages(system, order_id)
            readiness = body(await system.operator(ADAPTER, "/health/ready"), 200)
            open_now = await system.counted(ADAPTER, "bellhop_refused_by_dependency")
        await guest.sees(order_id, within=RECOVERY, status="cancelled", payment_status="refunded")

        assert meanwhile == ["requested"]
        assert readiness["status"] == "degraded"
        assert open_now == 1
        assert await system.counted(ADAPTER, "bellhop_forbidden") >= 1
        assert len(await refunds_of(system, order_id)) == 1
        await until(lambda: is_ready(system), "the adapter is well again")
        await is_clean(system)


async def test_a_key_of_another_account_stops_the_adapter_and_decides_nothing(broker: Broker, store: Store) -> None:
    async with system_on(broker, store) as system:
        guest = system.guest()
        order_id = (await guest.order())["order_id"]
        await guest.session(order_id)

        await system.switch("reset")  # as an account that has never seen this system
        body(await cancel(guest, order_id), 200)

        await until(lambda: refuses(system, "another account or mode"), "the adapter says what is wrong")
        assert (await guest.see(order_id))["status"] == "cancelling"
        assert set((await system.parked()).values()) == {0}


async def test_answers_of_live_mode_to_a_test_key_decide_nothing_until_they_are_of_test_mode_again(
    broker: Broker, store: Store
) -> None:
    async with system_on(broker, store) as system:
        guest = system.guest()
        paid = await paid_order(system, guest)
        unpaid = (await guest.order())["order_id"]

        await system.switch("settings", {"livemode": True}, method="PUT")
        body(await cancel(guest, paid), 200)
        await until(lambda: refuses(system, "is of live mode, and STRIPE_API_KEY is a test key"), "the adapter says so")
        asked = asyncio.create_task(guest.ask_for_session(unpaid))
        meanwhile = await refund_stages(system, paid)
        refunded = await refunds_of(system, paid)
        await system.switch("settings", {"livemode": False}, method="PUT")
        await guest.sees(paid, within=RECOVERY, status="cancelled", payment_status="refunded")

        body(await asked, 201)
        assert meanwhile == ["requested"]
        assert refunded == []
        assert len(await refunds_of(system, paid)) == 1
        await until(lambda: is_ready(system), "the adapter is well again")
        await is_clean(system)


async def test_nothing_is_made_at_another_account_than_the_expected_one(broker: Broker, store: Store) -> None:
    async with system_on(broker, store, stripe_account="acct_1Another", reply_timeout=0.5) as system:
        await until(lambda: refuses(system, "acct_1Another is expected"), "the adapter says so before any command")
        guest = system.guest()
        order_id = (await guest.order())["order_id"]

        asked = await guest.ask_for_session(order_id)

        assert asked.status_code == 202
        assert await system.intents(order_id) == []
        assert set((await system.parked()).values()) == {0}


async def test_payments_are_made_at_the_expected_account(broker: Broker, store: Store) -> None:
    async with system_on(broker, store, stripe_account="acct_1BellhopSandbox0") as system:
        guest = system.guest()

        order_id = await paid_order(system, guest)

        assert (await guest.see(order_id))["status"] == "confirmed"
        assert await is_ready(system)


async def test_a_psp_that_cannot_be_asked_for_its_account_does_not_keep_the_adapter_from_starting(
    broker: Broker, store: Store
) -> None:
    changes = {"stripe_account": "acct_1BellhopSandbox0", "stripe_api_base": "http://127.0.0.1:1", "stripe_retries": 0}

    async with system_on(broker, store, **changes) as system:
        answer = await system.operator(ADAPTER, "/health/ready")

        assert answer.status_code == 200
        assert (await system.guest().order())["status"] == "pending_payment"


async def test_an_intent_that_is_gone_from_our_account_stops_no_other_payment(broker: Broker, store: Store) -> None:
    async with system_on(broker, store, poll_interval_factor=0.005) as system:
        guest = system.guest()
        lost = (await guest.order())["order_id"]
        await guest.session(lost)
        await paid_order(system, guest)  # the account knows a payment of ours
        await forget_at_psp(system, lost)

        body(await cancel(guest, lost), 200)
        await payment_is(system, lost, "unknown")
        other = await paid_order(system, guest)

        assert (await guest.see(other))["status"] == "confirmed"
        assert (await guest.see(lost))["status"] in ("cancelling", "needs_review")
        assert set((await system.parked()).values()) == {0}


async def forget_at_psp(system: System, order_id: str) -> None:
    """Deleted test data."""
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}", method="DELETE")


async def refuses(system: System, words: str) -> bool:
    problem = (await system.operator(ADAPTER, "/health/ready")).json()["problems"].get("breaker", "")
    return "refuses this service since" in problem and words in problem


async def refund_stages(system: System, order_id: str) -> list[str]:
    document = await system.payment_of(order_id)
    return [refund["stage"] for refund in document["state"]["refunds"]] if document else []


async def is_ready(system: System) -> bool:
    return bool((await system.operator(ADAPTER, "/health/ready")).json()["status"] == "ready")
