"""Payments that are not over when the guest leaves the page: vouchers, transfers in part, authorisations."""

from datetime import UTC, datetime, timedelta

import httpx

from tests.support.desk import TOTAL, Desk, intent_of, is_clean, kept
from tests.support.guest import Guest, Json, body
from tests.support.system import API_KEY, System
from tests.support.waiting import until


async def waits_for_days(guest: Guest, order_id: str) -> bool:
    order = await guest.see(order_id)
    return bool(order["pay_until"]) and datetime.fromisoformat(order["pay_until"]) > datetime.now(UTC) + timedelta(
        days=3
    )


async def test_an_order_with_a_voucher_waits_until_it_is_paid(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.show_voucher(await guest.session(order_id), "oxxo"), 200)
    await until(lambda: waits_for_days(guest, order_id), "the order waits as long as the voucher can be paid")

    await system.switch(f"payment_intents/{(await intent_of(system, order_id))['id']}/pay")

    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_an_order_whose_voucher_expired_has_its_usual_time_again(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.show_voucher(await guest.session(order_id), "oxxo"), 200)
    await until(lambda: waits_for_days(guest, order_id), "the order waits as long as the voucher can be paid")

    await system.switch(f"payment_intents/{(await intent_of(system, order_id))['id']}/expire")

    async def waits_as_usual() -> bool:
        return not await waits_for_days(guest, order_id)

    await until(waits_as_usual, "the order waits no longer than usual")
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")


async def test_a_transfer_of_a_part_goes_before_a_person_and_the_rest_may_still_come(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.show_voucher(await guest.session(order_id), "customer_balance"), 200)
    intent = await intent_of(system, order_id)

    await system.switch(f"payment_intents/{intent['id']}/pay", {"amount": 3000})
    await guest.sees(order_id, status="needs_review")
    await system.switch(f"payment_intents/{intent['id']}/pay")
    await until(lambda: is_paid(system, order_id), "the payment knows of the rest")
    body(await desk.resolve(order_id, "accept"), 200)

    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert await kept(system, order_id) == TOTAL


async def test_a_review_of_a_transfer_of_a_part_may_close_the_payment(system: System, guest: Guest, desk: Desk) -> None:
    order_id = (await guest.order())["order_id"]
    body(await system.show_voucher(await guest.session(order_id), "customer_balance"), 200)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/pay", {"amount": 3000})
    await guest.sees(order_id, status="needs_review")

    body(await desk.resolve(order_id, "refund"), 200)

    await guest.sees(order_id, status="cancelled")
    await until(lambda: is_canceled(system, order_id), "the PSP takes no more of it")


async def test_an_authorisation_that_is_not_captured_is_cancelled_and_goes_before_a_person(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    intent = await intent_of(system, order_id)
    await captured_by_hand(system, intent)

    body(await system.pay(session), 200)

    await guest.sees(order_id, status="needs_review")
    await until(lambda: is_canceled(system, order_id), "the authorisation is cancelled")
    assert await kept(system, order_id) == 0
    await is_clean(system)


async def captured_by_hand(system: System, intent: Json) -> None:
    """What a person or another program with the key may do to a PaymentIntent."""
    async with httpx.AsyncClient(base_url=system.sandbox.url, trust_env=False) as http:
        changes = {"capture_method": "manual"}
        answer = await http.post(f"/v1/payment_intents/{intent['id']}", data=changes, auth=(API_KEY, ""))
        body(answer, 200)


async def is_canceled(system: System, order_id: str) -> bool:
    return bool((await intent_of(system, order_id))["status"] == "canceled")


async def is_paid(system: System, order_id: str) -> bool:
    payment = await system.payment_of(order_id)
    return bool(payment and payment["state"]["received"])
