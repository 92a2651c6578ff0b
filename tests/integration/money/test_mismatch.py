"""The PSP captured another amount than the order's: a person decides, and either decision ends well."""

import pytest

from tests.support.desk import TOTAL, Desk, cancel, is_clean, kept, refunds_of
from tests.support.guest import Guest, body, problem
from tests.support.situations import OTHER, mismatched
from tests.support.system import System


@pytest.mark.parametrize("amount", [OTHER, TOTAL + 700], ids=["less", "more"])
async def test_an_order_paid_with_another_amount_is_not_confirmed(system: System, guest: Guest, amount: int) -> None:
    order_id = await mismatched(system, guest, amount)

    problem(await guest.ask_for_session(order_id), 409, "order-not-payable")
    problem(await cancel(guest, order_id), 409, "order-not-cancellable")
    log = await system.log_of(order_id, "orders.order-needs-review.v1")
    assert (log["orders.order-needs-review.v1"], log["orders.order-confirmed.v1"]) == (1, 0)


async def test_staff_accept_what_came_and_the_order_is_confirmed(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await mismatched(system, guest)

    answer = body(await desk.resolve(order_id, "accept"), 200)

    assert (answer["status"], answer["payment_status"]) == ("confirmed", "paid")
    assert await kept(system, order_id) == OTHER
    problem(await desk.resolve(order_id, "accept"), 409, "order-not-in-review")


async def test_staff_give_back_what_came_and_the_order_is_cancelled(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await mismatched(system, guest)

    body(await desk.resolve(order_id, "refund"), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [OTHER]
    assert await kept(system, order_id) == 0


async def test_an_accepted_order_is_refunded_by_what_came_and_no_more(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await mismatched(system, guest)
    body(await desk.resolve(order_id, "accept"), 200)

    problem(await desk.refund(order_id, TOTAL), 422, "refund-exceeds-paid")
    body(await desk.refund(order_id), 200)

    await guest.sees(order_id, status="confirmed", payment_status="refunded")
    assert await kept(system, order_id) == 0
    await is_clean(system)


async def test_a_review_settled_outside_closes_the_order_moves_no_money_and_the_books_add_up(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await mismatched(system, guest)
    assert (await desk.sees(order_id))["staff"]["review"] == f"received €{OTHER / 100:.2f}, asked for €48.00"
    problem(await desk.resolve(order_id, "settled-outside", TOTAL), 422, "amount-not-settleable")

    answer = body(await desk.resolve(order_id, "settled-outside"), 200)

    assert (answer["status"], answer["payment_status"]) == ("cancelled", "refunded")
    [settled] = answer["staff"]["settled_outside"]
    assert (settled["amount"]["amount"], settled["by"], settled["reason"]) == (OTHER, "stf_vroni", "asked at the desk")
    [action] = answer["staff"]["actions"]
    assert (action["action"], action["by"], action["role"]) == ("review settled outside", "stf_vroni", "staff")
    assert (await guest.sees(order_id, status="cancelled", payment_status="refunded"))["staff"] is None
    assert await kept(system, order_id) == OTHER
    await is_clean(system)
