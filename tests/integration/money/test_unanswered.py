"""The PSP falls silent or a webhook never comes: it is asked again, and nothing is guessed or done twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.integration.money.test_vouchers import waits_for_days
from tests.support.desk import TOTAL, cancel, intent_of, is_clean, kept, paid_order, payment_is, refunds_of
from tests.support.guest import BREAKFAST_TOTAL, Guest, Json, body
from tests.support.system import PROCESSING_CARD, System, system_on
from tests.support.waiting import until

SILENT = {"probability": 1}
"""Every call has its effect and no answer, and so has asking again: nothing can be found out meanwhile."""
NO_WEBHOOKS = {"drop": {"probability": 1}}


@pytest.fixture(scope="module")
async def eager(broker: Broker, store: Store) -> AsyncIterator[System]:
    """A system that asks a silent PSP again after 0.3 s and about an open payment after 3 s, and takes no silence for
    an outage."""
    async with system_on(
        broker, store, poll_interval_factor=0.005, stripe_retries=1, stripe_breaker_threshold=1000
    ) as system:
        yield system


@dataclass(frozen=True)
class Silence:
    """Three orders about which the PSP did what it was asked and never said so, and how they stood meanwhile."""

    guest: Guest
    opening: str
    session: httpx.Response
    refunding: str
    closing: str
    meanwhile: dict[str, Json]


@pytest.fixture(scope="module")
async def silence(eager: System) -> Silence:
    guest = eager.guest()
    opening, closing = [(await guest.order())["order_id"] for _ in range(2)]
    refunding = await paid_order(eager, guest)
    await guest.session(closing)
    async with eager.faults(webhooks=NO_WEBHOOKS, api={"close_after_effect": SILENT | {"match": "/v1/"}}):
        asking = asyncio.create_task(guest.ask_for_session(opening))
        for order_id in (refunding, closing):
            body(await cancel(guest, order_id), 200)
        for order_id in (opening, closing):
            await payment_is(eager, order_id, "unknown")
        await until(lambda: is_unanswered(eager, refunding), "the adapter has given up asking for the refund")
        meanwhile = {order_id: await guest.see(order_id) for order_id in (opening, refunding, closing)}
    return Silence(guest, opening, await asking, refunding, closing, meanwhile)


async def test_a_session_that_was_opened_without_an_answer_is_the_one_the_guest_gets(
    eager: System, silence: Silence
) -> None:
    session = body(silence.session, 201)

    intent = await intent_of(eager, silence.opening)
    assert session["client_secret"] == intent["client_secret"]
    body(await eager.pay(session), 200)
    await silence.guest.sees(silence.opening, status="confirmed", payment_status="paid")


async def test_a_refund_that_was_made_without_an_answer_is_made_once(eager: System, silence: Silence) -> None:
    order = await silence.guest.sees(silence.refunding, status="cancelled", payment_status="refunded")

    assert silence.meanwhile[silence.refunding]["payment_status"] == "paid"
    assert order["refunded"] == BREAKFAST_TOTAL
    assert len(await refunds_of(eager, silence.refunding)) == 1
    assert (await eager.log_of(silence.refunding))["psp.create-psp-refund.v1"] >= 2


async def test_a_session_that_was_closed_without_an_answer_is_found_closed(eager: System, silence: Silence) -> None:
    await silence.guest.sees(silence.closing, status="cancelled", payment_status="unpaid")

    assert silence.meanwhile[silence.closing]["status"] == "cancelling"
    assert (await intent_of(eager, silence.closing))["status"] == "canceled"


async def test_a_payment_whose_webhook_never_comes_is_found_by_asking(eager: System) -> None:
    guest = eager.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with eager.faults(webhooks=NO_WEBHOOKS):
        body(await eager.pay(session), 200)
        await guest.sees(order_id, status="confirmed", payment_status="paid")

    assert await kept(eager, order_id) == TOTAL
    assert await eager.times_logged(order_id, "psp.retrieve-psp-session.v1") >= 1


async def test_a_slow_payment_whose_webhooks_never_come_is_found_by_asking(eager: System) -> None:
    guest = eager.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with eager.faults(webhooks=NO_WEBHOOKS):
        body(await eager.pay(session, PROCESSING_CARD), 200)
        await eager.switch(f"payment_intents/{(await intent_of(eager, order_id))['id']}/settle", {"outcome": "succeed"})
        await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_voucher_whose_expiry_is_never_reported_is_found_expired_by_asking(eager: System) -> None:
    guest = eager.guest()
    order_id = (await guest.order())["order_id"]
    body(await eager.show_voucher(await guest.session(order_id), "oxxo"), 200)
    await until(lambda: waits_for_days(guest, order_id), "the order waits as long as the voucher can be paid")

    async with eager.faults(webhooks=NO_WEBHOOKS):
        await eager.switch(f"payment_intents/{(await intent_of(eager, order_id))['id']}/expire")

        async def waits_as_usual() -> bool:
            return not await waits_for_days(guest, order_id)

        await until(waits_as_usual, "the order waits no longer than usual")

    body(await cancel(guest, order_id), 200)


async def test_a_dashboard_refund_whose_webhook_never_comes_is_found_in_the_psps_own_list(
    broker: Broker, store: Store
) -> None:
    async with system_on(broker, store, psp_sweep_every=timedelta(seconds=1)) as system:
        guest = system.guest()
        order_id = await paid_order(system, guest)
        intent = await intent_of(system, order_id)

        async with system.faults(webhooks=NO_WEBHOOKS):
            await system.switch(f"payment_intents/{intent['id']}/refund")
            await guest.sees(order_id, status="confirmed", payment_status="refunded")
        await is_clean(system)


async def test_nothing_that_was_unanswered_is_left_over(eager: System) -> None:
    await is_clean(eager)


async def is_unanswered(system: System, order_id: str) -> bool:
    return (await system.log_of(order_id))["psp.psp-outcome-unknown.v1"] > 0
