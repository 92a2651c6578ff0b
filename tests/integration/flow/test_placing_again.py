"""The same Idempotency-Key again, whatever has happened since: one order, one answer."""

import asyncio

from tests.support.guest import BREAKFAST, LATE_CHECKOUT, Guest, body, problem
from tests.support.system import System


async def test_the_same_key_again_gets_the_first_answer_and_places_nothing(system: System, guest: Guest) -> None:
    first = await guest.place(BREAKFAST, key="once")

    again = await guest.place(BREAKFAST, key="once")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert len(await guest.orders()) == 1


async def test_the_same_key_ten_times_at_once_places_one_order_and_gets_one_answer(
    system: System, guest: Guest
) -> None:
    answers = await asyncio.gather(*(guest.place(BREAKFAST, key="at-once") for _ in range(10)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await system.documents["orders"].count_documents({"state.guest.guest_id": guest.guest_id}) == 1
    assert await system.times_logged(answers[0].json()["order_id"], "orders.order-pending-payment.v1") == 1


async def test_the_same_key_after_the_confirmation_still_gets_the_first_answer(system: System, guest: Guest) -> None:
    first = await guest.place(BREAKFAST, key="paid-since")
    order_id = body(first, 201)["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")

    again = await guest.place(BREAKFAST, key="paid-since")

    assert (again.status_code, again.content) == (201, first.content)
    assert (await guest.see(order_id))["status"] == "confirmed"


async def test_the_same_key_after_a_declined_card_still_gets_the_first_answer(system: System, guest: Guest) -> None:
    first = await guest.place(BREAKFAST, key="declined-since")
    order_id = body(first, 201)["order_id"]
    body(await system.pay(await guest.session(order_id), "4000000000000002"), 402)
    await guest.sees(order_id, payment_failure="Your card was declined.")

    again = await guest.place(BREAKFAST, key="declined-since")

    assert (again.status_code, again.content) == (201, first.content)


async def test_the_same_key_with_other_extras_is_refused_and_changes_nothing(system: System, guest: Guest) -> None:
    order = await guest.order(BREAKFAST, key="changed")

    answer = await guest.place(LATE_CHECKOUT, key="changed")

    problem(answer, 422, "idempotency-key-reused")
    [listed] = await guest.orders()
    assert listed == order


async def test_the_same_key_of_another_guest_is_another_order(system: System) -> None:
    one, another = system.guest(), system.guest()

    orders = [await one.order(key="shared"), await another.order(key="shared")]

    assert orders[0]["order_id"] != orders[1]["order_id"]


async def test_a_refused_order_can_be_placed_with_the_same_key_once_it_is_right(guest: Guest) -> None:
    refused = await guest.place(BREAKFAST | {"quantity": 99}, key="corrected")

    placed = await guest.place(BREAKFAST, key="corrected")

    problem(refused, 422, "quantity-over-limit")
    assert body(placed, 201)["status"] == "pending_payment"
