"""Orders that the hotel approves first: authorised, then captured or voided, as the PSP's own books show it."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta

import httpx

from client import calls
from tests.support.desk import Desk, cancel, intent_of, is_clean, write_at_psp
from tests.support.guest import Guest, Json, body, problem
from tests.support.situations import massage, taken
from tests.support.system import GOOD_CARD, System
from tests.support.waiting import until

EARLY: Json = {"extra_id": "alm-early-checkin", "quantity": 1}
PRICE = 4000


async def authorised(system: System, guest: Guest) -> str:
    """An order whose guest's bank has reserved the amount."""
    order_id: str = (await guest.order(EARLY))["order_id"]
    await system.pay(await guest.session(order_id), GOOD_CARD)
    await guest.sees(order_id, status="awaiting_approval", payment_status="authorised")
    return order_id


async def captured(system: System, order_id: str) -> int:
    """What the PSP has taken from the guest, in minor units."""
    received: int = (await intent_of(system, order_id))["amount_received"]
    return received


async def voided(system: System, order_id: str) -> bool:
    return bool((await intent_of(system, order_id))["status"] == "canceled")


async def test_an_order_is_charged_only_after_the_hotel_has_approved_it(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await authorised(system, guest)
    waiting = await guest.see(order_id)
    before = await captured(system, order_id)

    approved = body(await desk.approve(order_id), 200)
    confirmed = await guest.sees(order_id, status="confirmed", payment_status="paid")

    assert before == 0
    assert waiting["needs_approval"]
    assert waiting["approve_by"] is not None
    assert approved["status"] in ("capturing", "confirmed")
    assert confirmed["total"]["amount"] == await captured(system, order_id) == PRICE
    again = body(await desk.approve(order_id), 200)
    assert again["status"] == "confirmed"
    assert await system.times_logged(order_id, "psp.capture-psp-session.v1") == 1
    problem(await desk.decline(order_id), 409, "order-not-approvable")
    await is_clean(system)


async def test_a_declined_guest_reads_why_and_is_not_charged(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await authorised(system, guest)

    body(await desk.decline(order_id, "We are full that morning."), 200)
    declined = await guest.sees(order_id, status="declined", payment_status="unpaid")

    assert declined["declined_because"] == "We are full that morning."
    assert await voided(system, order_id)
    assert await captured(system, order_id) == 0
    assert body(await desk.decline(order_id), 200)["status"] == "declined"
    problem(await desk.approve(order_id), 409, "order-not-approvable")
    await is_clean(system)


async def test_two_receptions_that_decide_at_once_decide_once(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await authorised(system, guest)

    await asyncio.gather(desk.approve(order_id), desk.decline(order_id), desk.approve(order_id))
    ended = await until(lambda: _decided(guest, order_id), "the order is decided")

    expected = {"confirmed": PRICE, "declined": 0}
    assert await captured(system, order_id) == expected[ended]
    await is_clean(system)


async def _decided(guest: Guest, order_id: str) -> str | None:
    status: str = (await guest.see(order_id))["status"]
    return status if status in ("confirmed", "declined") else None


async def test_a_guest_who_cancels_meanwhile_is_not_charged(system: System, guest: Guest) -> None:
    order_id = await authorised(system, guest)

    body(await cancel(guest, order_id), 200)
    await guest.sees(order_id, status="cancelled", payment_status="unpaid")

    assert await voided(system, order_id)
    await is_clean(system)


async def test_an_authorisation_that_lapses_declines_the_order(system: System, guest: Guest) -> None:
    order_id = await authorised(system, guest)

    await system.advance_psp_clock(timedelta(days=7, minutes=1))
    lapsed = await guest.sees(order_id, status="declined", payment_status="unpaid")

    assert lapsed["declined_because"]
    assert await voided(system, order_id)
    await is_clean(system)


async def test_a_capture_in_the_dashboard_without_approval_comes_before_a_person(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await authorised(system, guest)

    await write_at_psp(system, f"payment_intents/{(await intent_of(system, order_id))['id']}/capture", {})
    await guest.sees(order_id, status="needs_review")

    body(await desk.resolve(order_id, "refund"), 200)
    await guest.sees(order_id, status="cancelled", payment_status="refunded")


async def test_the_psps_own_time_says_until_when_the_hotel_may_decide(system: System, guest: Guest) -> None:
    order_id = await authorised(system, guest)

    intent = await intent_of(system, order_id)
    charge = await system.at_psp(f"charges/{intent['latest_charge']}")
    lapses = charge["payment_method_details"]["card"]["capture_before"]

    async def named() -> bool:
        payment = (await system.payment_of(order_id) or {}).get("state", {})
        return bool(payment) and int(datetime.fromisoformat(str(payment["capture_before"])).timestamp()) == lapses

    await until(named, "the payment knows the PSP's own end of the authorisation")


# Without a line


TAKEN = "The masseur is ill that day."


DAY = "2038-02-08"


async def authorised_with_a_massage(system: System, guest: Guest) -> str:
    order_id: str = (await guest.order(EARLY, massage(DAY)))["order_id"]
    await system.pay(await guest.session(order_id), GOOD_CARD)
    await guest.sees(order_id, status="awaiting_approval", payment_status="authorised")
    return order_id


async def test_what_staff_take_out_is_not_charged_and_its_place_is_free_at_once(
    system: System, guest: Guest, desk: Desk
) -> None:
    before = await taken(system, DAY)
    order_id = await authorised_with_a_massage(system, guest)
    held = await taken(system, DAY)

    approved = body(await desk.approve(order_id, 1, reason=TAKEN), 200)
    confirmed = await guest.sees(order_id, status="confirmed", payment_status="paid")

    assert held == before + 1
    await until(lambda: _are_taken(system, before), "the place of the massage is free")
    intent = await intent_of(system, order_id)
    assert (intent["amount"], intent["amount_received"], intent["amount_capturable"]) == (PRICE + 9500, PRICE, 0)
    assert approved["total"] == confirmed["total"] == {"amount": PRICE, "currency": "EUR"}
    assert confirmed["taken_out"] == {"lines": [1], "amount": {"amount": 9500, "currency": "EUR"}, "reason": TAKEN}
    assert len(confirmed["lines"]) == 2
    await is_clean(system)


async def _are_taken(system: System, number: int) -> bool:
    return await taken(system, DAY) == number


async def test_its_receipt_refund_and_fulfilment_are_about_what_is_left(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await authorised_with_a_massage(system, guest)
    body(await desk.approve(order_id, 1, reason=TAKEN), 200)
    await guest.sees(order_id, status="confirmed")

    receipt = body(await guest.http.get(f"/v1/orders/{order_id}/receipt"), 200)
    problem(await desk.answer(calls.fulfil_order(order_id, lines=[1])), 409, "line-taken-out")
    body(await desk.answer(calls.fulfil_order(order_id, lines=[0])), 200)
    await guest.sees(order_id, status="fulfilled")
    body(await desk.refund(order_id), 200)
    refunded = await guest.sees(order_id, payment_status="refunded")

    assert receipt["paid"] == {"amount": PRICE, "currency": "EUR"}
    assert [[share["line"] for share in each["shares"]] for each in receipt["receipts"]] == [[0]]
    assert refunded["refunded"] == {"amount": PRICE, "currency": "EUR"}
    await is_clean(system)


async def test_two_receptions_that_take_out_different_lines_decide_once(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await authorised_with_a_massage(system, guest)

    def decided_on(number: int) -> Awaitable[httpx.Response]:
        lines: tuple[int, ...] = ((1,), (0,), ())[number]
        return desk.approve(order_id, *lines, reason=TAKEN)

    await asyncio.gather(*map(decided_on, range(3)))
    confirmed = await guest.sees(order_id, status="confirmed")
    answers = [await decided_on(number) for number in range(3)]

    refused = [answer for answer in answers if not answer.is_success]
    assert len(refused) == 2
    for answer in refused:
        problem(answer, 409, "approved-otherwise")
    assert await captured(system, order_id) == confirmed["total"]["amount"]
    problem(await desk.approve(order_id, 0, 1), 409, "approved-otherwise")
    await is_clean(system)


async def test_an_order_keeps_at_least_one_line(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await authorised_with_a_massage(system, guest)

    problem(await desk.approve(order_id, 0, 1), 422, "no-line-left")
    problem(await desk.approve(order_id, 7), 422, "line-unknown")
    problem(await desk.approve(order_id, 1, reason=""), 422, "invalid-request")

    await guest.sees(order_id, status="awaiting_approval")
    body(await desk.decline(order_id), 200)
    await guest.sees(order_id, status="declined")
    await is_clean(system)
