"""Money that moves at the guest's bank: the order's payment status follows, and what is left can be given back."""

import asyncio
import time
import uuid

from deploy.local.patience import patient
from tests.support.desk import TOTAL, Desk, intent_of, is_clean, kept, next_of, paid_order, refunds_of
from tests.support.guest import Guest, Json, body
from tests.support.situations import becomes, disputed
from tests.support.system import System
from tests.support.waiting import PATIENCE

CHANGED = "orders.order-payment-changed"
DISPUTED_CARD = "4000000000000259"
PART = 1000


async def test_a_dispute_that_is_won_leaves_the_order_paid(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        dispute = await system.switch(f"payment_intents/{intent['id']}/dispute")
        opened = await next_of(events, CHANGED)
        await system.switch(f"disputes/{dispute['id']}/close", {"status": "won"})
        closed = await next_of(events, CHANGED)

    assert (opened.status, opened.payment_status) == ("confirmed", "disputed")
    assert (closed.status, closed.payment_status) == ("confirmed", "paid")


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


async def test_a_part_that_is_lost_leaves_the_rest_and_cancelling_gives_it_back(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    dispute = await disputed(system, order_id, amount=PART)
    await becomes(system, dispute, "lost")
    await guest.sees(order_id, status="confirmed", payment_status="charged_back")

    too_much = body(await desk.refund(order_id, TOTAL - PART + 1), 422)
    body(await desk.refund(order_id, 500), 200)
    body(await desk.cancel(order_id), 200)

    assert too_much["type"] == "urn:bellhop:problem:refund-exceeds-paid"
    await guest.sees(order_id, status="cancelled", refunded={"amount": TOTAL - PART, "currency": "EUR"})
    assert sorted(refund["amount"] for refund in await refunds_of(system, order_id)) == [500, TOTAL - PART - 500]
    assert await kept(system, order_id) == PART
    await is_clean(system)


async def test_an_inquiry_may_be_ended_by_a_refund(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    inquiry = await disputed(system, order_id, status="warning_needs_response")
    await guest.sees(order_id, status="confirmed", payment_status="disputed")

    body(await desk.refund(order_id), 200)
    await becomes(system, inquiry, "warning_closed")

    await guest.sees(order_id, status="confirmed", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_an_inquiry_ends_without_a_trace_on_the_money(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    inquiry = await disputed(system, order_id, status="warning_needs_response")
    await guest.sees(order_id, payment_status="disputed")

    await becomes(system, inquiry, "warning_closed")

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert await kept(system, order_id) == TOTAL


async def test_an_inquiry_that_becomes_a_dispute_stops_refunds(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    inquiry = await disputed(system, order_id, status="warning_needs_response")

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        await becomes(system, inquiry, "needs_response")
        await becomes(system, inquiry, "lost")
        while (await anext(events)).payment_status != "charged_back":
            pass

    body(await desk.refund(order_id), 422)
    assert await kept(system, order_id) == TOTAL


async def test_a_dispute_that_was_prevented_has_taken_the_money_already(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)

    await disputed(system, order_id, status="prevented")
    await guest.sees(order_id, status="confirmed", payment_status="charged_back")
    body(await desk.cancel(order_id), 200)

    await guest.sees(order_id, status="cancelled", payment_status="charged_back")
    assert await refunds_of(system, order_id) == []
    await is_clean(system)


async def test_an_appeal_turns_what_was_lost(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    dispute = await disputed(system, order_id)
    await becomes(system, dispute, "lost")
    await guest.sees(order_id, payment_status="charged_back")

    await becomes(system, dispute, "appeal_under_review")
    await guest.sees(order_id, payment_status="disputed")
    await becomes(system, dispute, "won")
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    body(await desk.cancel(order_id), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_an_appeal_turns_what_was_won(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    dispute = await disputed(system, order_id)
    await becomes(system, dispute, "won")
    await guest.sees(order_id, payment_status="paid")

    await becomes(system, dispute, "appeal_needs_response")
    await guest.sees(order_id, payment_status="disputed")
    await becomes(system, dispute, "lost")

    await guest.sees(order_id, status="confirmed", payment_status="charged_back")


async def test_two_disputes_of_one_payment_each_take_their_part(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    first = await disputed(system, order_id, amount=PART)
    await becomes(system, first, "lost")
    await guest.sees(order_id, payment_status="charged_back")
    second = await disputed(system, order_id, amount=2 * PART)
    await guest.sees(order_id, payment_status="disputed")
    await becomes(system, second, "lost")
    await guest.sees(order_id, payment_status="charged_back")

    body(await desk.cancel(order_id), 200)

    await guest.sees(order_id, status="cancelled", refunded={"amount": TOTAL - 3 * PART, "currency": "EUR"})
    assert await kept(system, order_id) == 3 * PART
    await is_clean(system)


async def test_money_that_an_appeal_brings_back_to_a_cancelled_order_goes_before_a_person(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    dispute = await disputed(system, order_id)
    await becomes(system, dispute, "lost")
    await guest.sees(order_id, payment_status="charged_back")
    body(await desk.cancel(order_id), 200)

    await becomes(system, dispute, "appeal_under_review")
    await becomes(system, dispute, "won")
    await guest.sees(order_id, status="needs_review")
    body(await desk.resolve(order_id, "refund"), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_a_status_that_this_version_does_not_know_counts_as_an_open_dispute(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    body(await system.post_event(dispute_event(intent, "a_status_of_next_year")), 200)

    await guest.sees(order_id, status="confirmed", payment_status="disputed")
    body(await desk.refund(order_id), 409)


def dispute_event(intent: Json, status: str) -> Json:
    dispute = {
        "id": f"du_{uuid.uuid4().hex[:24]}",
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
        "type": "charge.dispute.updated",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": dispute},
    }
