"""An unpaid order expires, unless the PSP has its payment."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.broker import Broker
from deploy.local.patience import patient
from deploy.local.store import Store
from tests.support.guest import Json, body, problem
from tests.support.system import PAYMENTS, PROCESSING_CARD, System, system_on
from tests.support.waiting import PATIENCE, until


@pytest.fixture(scope="module")
async def hasty(broker: Broker, store: Store) -> AsyncIterator[System]:
    """A system whose guests have three seconds to pay."""
    async with system_on(broker, store, pay_within=timedelta(seconds=3)) as system:
        yield system


async def state_of(system: System, order_id: str) -> Json:
    document = await system.document(order_id)
    assert document is not None
    state: Json = document["state"]
    return state


async def status_is(system: System, order_id: str, status: str) -> bool:
    return bool((await state_of(system, order_id))["status"] == status)


async def test_an_order_without_a_session_expires_without_asking_the_psp(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        received = [await anext(events), await anext(events)]

    assert [event.event for event in received] == ["orders.order-state", "orders.order-expired"]
    expired = await guest.see(order_id)
    assert (expired["status"], expired["payment_status"], expired["pay_until"]) == ("expired", "unpaid", None)
    assert await hasty.intents(order_id) == []
    assert (await hasty.log_of(order_id))["payments.close-payment-session.v1"] == 0


async def test_an_order_with_a_session_expires_once_the_psp_has_closed_it(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    await guest.sees(order_id, status="expired", payment_status="unpaid")

    [intent] = await hasty.intents(order_id)
    assert intent["status"] == "canceled"
    assert body(await hasty.pay(session), 400)["error"]["code"] == "payment_intent_unexpected_state"
    problem(await guest.ask_for_session(order_id), 409, "order-not-payable")
    assert await hasty.times_logged(order_id, "orders.order-expired.v1") == 1


async def test_a_payment_that_succeeds_while_the_order_is_expiring_confirms_it(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    await hasty.parts[PAYMENTS].stop()
    await until(lambda: status_is(hasty, order_id, "expiring"), "the deadline has passed")

    body(await hasty.pay(session), 200)
    await hasty.parts[PAYMENTS].start()

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    log = await hasty.log_of(order_id, "orders.order-confirmed.v1")
    assert (log["orders.order-confirmed.v1"], log["orders.order-expired.v1"]) == (1, 0)


async def test_a_success_whose_webhook_was_lost_is_found_when_the_deadline_passes(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with hasty.faults(webhooks={"drop": {"probability": 1}}):
        body(await hasty.pay(session), 200)
        confirmed = await guest.sees(order_id, status="confirmed", payment_status="paid")

    assert confirmed["total"]["amount"] == 4800
    assert await hasty.times_logged(order_id, "payments.close-payment-session.v1") == 1


async def test_a_payment_that_settles_slowly_does_not_expire(hasty: System) -> None:
    guest = hasty.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    other_id = (await guest.order())["order_id"]

    body(await hasty.pay(session, PROCESSING_CARD), 200)
    await guest.sees(order_id, payment_status="processing")
    # The other order was placed later, so the first one's deadline would have passed by now.
    await guest.sees(other_id, status="expired")

    assert (await guest.see(order_id))["status"] == "pending_payment"
    intent_id = session["client_secret"].partition("_secret")[0]
    await hasty.switch(f"payment_intents/{intent_id}/settle", {"outcome": "succeed"})
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_an_expired_order_placed_again_with_its_key_gets_the_first_answer(hasty: System) -> None:
    guest = hasty.guest()
    first = await guest.place(key="too-late")
    await guest.sees(body(first, 201)["order_id"], status="expired")

    again = await guest.place(key="too-late")

    assert (again.status_code, again.content) == (201, first.content)
