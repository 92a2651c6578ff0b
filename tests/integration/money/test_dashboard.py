"""Money that moves in the PSP's dashboard or at the guest's bank: the order's payment status follows."""

import asyncio
import time
import uuid

from tests.integration.flow.guest import BREAKFAST_TOTAL, Guest, Json, body
from tests.integration.flow.system import System
from tests.integration.flow.waiting import PATIENCE, until
from tests.integration.money.desk import TOTAL, Desk, intent_of, is_clean, kept, next_of, paid_order, refunds_of
from tests.patience import patient

CHANGED = "orders.order-payment-changed"
DISPUTED_CARD = "4000000000000259"


async def test_a_refund_made_in_the_dashboard_reaches_the_order_and_whoever_watches_it(
    system: System, guest: Guest
) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        assert (await anext(events)).data["payment_status"] == "paid"
        await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
        part = await next_of(events, CHANGED)
        await system.switch(f"payment_intents/{intent['id']}/refund")
        whole = await next_of(events, CHANGED)

    assert (part["status"], part["payment_status"]) == ("confirmed", "partially_refunded")
    assert (whole["status"], whole["payment_status"]) == ("confirmed", "refunded")
    assert (await guest.see(order_id))["refunded"] == BREAKFAST_TOTAL
    assert await kept(system, order_id) == 0


async def test_what_the_dashboard_gave_back_is_not_given_back_again(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
    await guest.sees(order_id, payment_status="partially_refunded")

    body(await desk.cancel(order_id), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert sorted(refund["amount"] for refund in await refunds_of(system, order_id)) == [1200, TOTAL - 1200]


async def test_a_pending_refund_of_the_dashboard_counts_once_it_has_settled(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    refund = await system.switch(f"payment_intents/{intent['id']}/refund", {"status": "pending"})
    await until(lambda: refunds_known(system, order_id), "the payment knows of the refund")
    before = await guest.see(order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "succeed"})

    assert before["payment_status"] == "paid"
    await guest.sees(order_id, status="confirmed", payment_status="refunded")


async def test_a_dispute_that_is_won_leaves_the_order_paid(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        dispute = await system.switch(f"payment_intents/{intent['id']}/dispute")
        opened = await next_of(events, CHANGED)
        await system.switch(f"disputes/{dispute['id']}/close", {"status": "won"})
        closed = await next_of(events, CHANGED)

    assert (opened["status"], opened["payment_status"]) == ("confirmed", "disputed")
    assert (closed["status"], closed["payment_status"]) == ("confirmed", "paid")


async def test_a_dispute_that_is_lost_is_charged_back(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    dispute = await system.switch(f"payment_intents/{intent['id']}/dispute")
    await guest.sees(order_id, status="confirmed", payment_status="disputed")

    await system.switch(f"disputes/{dispute['id']}/close", {"status": "lost"})

    await guest.sees(order_id, status="confirmed", payment_status="charged_back")


async def test_a_dispute_that_comes_with_the_payment_finds_its_order(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    body(await system.pay(await guest.session(order_id), DISPUTED_CARD), 200)

    await guest.sees(order_id, status="confirmed", payment_status="disputed")


async def test_an_inquiry_is_shown_and_ends_without_a_trace_on_the_money(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    dispute_id = f"dp_{uuid.uuid4().hex[:24]}"

    # The sandbox opens no inquiries; Stripe's own events about them look like this.
    asked = dispute_event(intent, dispute_id, "created", "warning_needs_response")
    body(await system.post_event(asked), 200)
    await guest.sees(order_id, status="confirmed", payment_status="disputed")
    closed = dispute_event(intent, dispute_id, "closed", "warning_closed")
    body(await system.post_event(closed), 200)

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert await kept(system, order_id) == TOTAL


async def test_an_order_the_bank_is_deciding_about_is_not_cancelled(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/dispute")
    await guest.sees(order_id, payment_status="disputed")

    refusal = body(await desk.cancel(order_id), 409)

    assert refusal["type"] == "urn:bellhop:problem:order-not-cancellable"
    await guest.sees(order_id, status="confirmed", payment_status="disputed")


async def test_a_refund_that_is_refused_because_of_a_dispute_brings_the_order_before_a_person(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with system.faults(webhooks={"drop": {"probability": 1}}):
        await system.switch(f"payment_intents/{intent['id']}/dispute")
        body(await desk.cancel(order_id), 200)
        await guest.sees(order_id, status="needs_review")

    assert await kept(system, order_id) == TOTAL
    await is_clean(system)


def dispute_event(intent: Json, dispute_id: str, what: str, status: str) -> Json:
    dispute = {
        "id": dispute_id,
        "object": "dispute",
        "amount": intent["amount"],
        "currency": intent["currency"],
        "charge": intent["latest_charge"],
        "payment_intent": intent["id"],
        "status": status,
    }
    return {
        "id": f"evt_{uuid.uuid4().hex[:24]}",
        "object": "event",
        "type": f"charge.dispute.{what}",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": dispute},
    }


async def refunds_known(system: System, order_id: str) -> bool:
    payment = await system.payment_of(order_id)
    return bool(payment and payment["state"]["refunds"])
