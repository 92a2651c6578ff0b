"""Money that comes after the order was given up: all of it goes back by itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.desk import TOTAL, cancel, intent_of, is_clean, kept, payment_is, refunds_of
from tests.support.guest import BREAKFAST_TOTAL, Guest, body
from tests.support.system import PAYMENTS, PROCESSING_CARD, System, system_on
from tests.support.waiting import until


@pytest.fixture(scope="module")
async def hasty(broker: Broker, store: Store) -> AsyncIterator[System]:
    """A system whose guests have three seconds to pay."""
    async with system_on(broker, store, pay_within=timedelta(seconds=3)) as system:
        yield system


async def test_a_payment_that_settles_after_the_guest_cancelled_is_refunded(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id), PROCESSING_CARD), 200)
    await guest.sees(order_id, status="pending_payment", payment_status="processing")
    intent = await intent_of(system, order_id)

    cancelling = body(await cancel(guest, order_id), 200)
    await system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    assert cancelling["status"] == "cancelling"
    await guest.sees(order_id, status="cancelled", payment_status="refunded", refunded=BREAKFAST_TOTAL)
    assert len(await refunds_of(system, order_id)) == 1
    assert (await system.log_of(order_id))["orders.order-confirmed.v1"] == 0


async def test_a_cancelled_order_whose_settling_payment_fails_is_simply_cancelled(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id), PROCESSING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    intent = await intent_of(system, order_id)
    body(await cancel(guest, order_id), 200)

    await system.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "fail"})

    await guest.sees(order_id, status="cancelled", payment_status="unpaid")
    assert (await intent_of(system, order_id))["status"] == "canceled"
    assert await refunds_of(system, order_id) == []


async def test_an_order_cancelled_in_the_moment_of_its_payment_is_refunded(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    async with system.faults(webhooks={"drop": {"next": 1, "match": "payment_intent.succeeded"}}):
        body(await system.pay(session), 200)

    answer = body(await cancel(guest, order_id), 200)

    # No service knows of the payment yet: the PSP reports it when it is asked to close the session.
    assert answer["status"] == "cancelling"
    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_a_payment_in_the_moment_of_the_deadline_confirms_the_order(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with hasty.faults(webhooks={"drop": {"next": 1, "match": "payment_intent.succeeded"}}):
        body(await hasty.pay(session), 200)

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    log = await hasty.log_of(order_id, "payments.close-payment-session.v1")
    assert (log["payments.close-payment-session.v1"], log["orders.order-expired.v1"]) == (1, 0)
    assert await kept(hasty, order_id) == TOTAL


async def test_a_payment_that_still_settles_at_the_deadline_confirms_the_order_when_it_has(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    async with hasty.faults(webhooks={"drop": {"next": 1, "match": "payment_intent.processing"}}):
        body(await hasty.pay(session, PROCESSING_CARD), 200)
    await guest.sees(order_id, status="expiring", payment_status="processing")
    intent = await intent_of(hasty, order_id)

    await hasty.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    await is_clean(hasty)


async def test_a_payment_the_psp_had_reported_as_canceled_is_refunded(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    body(await hasty.pay(session, PROCESSING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    intent = await intent_of(hasty, order_id)
    # Stripe contradicts itself: it reports the session as canceled, and later that it was paid.
    processing = (await hasty.psp_events(intent["id"], "payment_intent.processing"))[0]
    await hasty.parts[PAYMENTS].stop()
    body(await cancel(guest, order_id), 200)
    lie = processing | {"id": f"evt_lie{order_id[-12:]}", "type": "payment_intent.canceled"}
    body(await hasty.post_event(lie), 200)
    await hasty.parts[PAYMENTS].start()
    await payment_is(hasty, order_id, "closed")
    await guest.sees(order_id, status="cancelled", payment_status="unpaid")

    await hasty.switch(f"payment_intents/{intent['id']}/settle", {"outcome": "succeed"})

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(hasty, order_id) == 0


async def test_a_guest_who_cancels_and_pays_at_once_keeps_the_money(system: System) -> None:
    async def both() -> None:
        guest = system.guest()
        order_id = (await guest.order())["order_id"]
        session = await guest.session(order_id)
        paid, cancelled = await asyncio.gather(system.pay(session), cancel(guest, order_id))
        assert paid.status_code in (200, 400)
        body(cancelled, 200)
        expected = "refunded" if paid.is_success else "unpaid"
        await guest.sees(order_id, status="cancelled", payment_status=expected)
        assert await kept(system, order_id) == 0

    await asyncio.gather(*(both() for _ in range(8)))
    await until(system.webhooks_delivered, "every webhook is delivered")
