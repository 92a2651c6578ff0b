"""What staff do with a paid order: hand it over, give money back, and repeat themselves."""

import asyncio

from tests.support.desk import TOTAL, Desk, cancel, kept, paid_order, refunds_of
from tests.support.guest import Guest, Json, body, problem
from tests.support.system import REFUND_FAILS_CARD, SLOW_REFUND_CARD, System
from tests.support.waiting import until


def euro(cents: int) -> Json:
    return {"amount": cents, "currency": "EUR"}


async def test_a_confirmed_order_is_fulfilled_once(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)

    first, again = body(await desk.fulfil(order_id), 200), body(await desk.fulfil(order_id), 200)

    assert first["status"] == again["status"] == "fulfilled"
    assert await system.times_logged(order_id, "orders.order-fulfilled.v1") == 1
    problem(await cancel(guest, order_id), 409, "order-not-cancellable")


async def test_an_unpaid_order_is_neither_fulfilled_nor_refunded_nor_reviewed(guest: Guest, desk: Desk) -> None:
    order_id = (await guest.order())["order_id"]

    problem(await desk.fulfil(order_id), 409, "order-not-fulfillable")
    problem(await desk.refund(order_id), 409, "order-not-refundable")
    problem(await desk.resolve(order_id, "accept"), 409, "order-not-in-review")


async def test_a_part_is_refunded_and_then_the_rest(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)

    body(await desk.refund(order_id, 1800), 200)
    part = await guest.sees(order_id, payment_status="partially_refunded")
    body(await desk.refund(order_id), 200)
    whole = await guest.sees(order_id, payment_status="refunded")

    assert (part["status"], part["refunded"]) == ("confirmed", euro(1800))
    assert (whole["status"], whole["refunded"]) == ("confirmed", euro(TOTAL))
    assert sorted(refund["amount"] for refund in await refunds_of(system, order_id)) == [1800, TOTAL - 1800]
    assert await kept(system, order_id) == 0


async def test_more_than_was_paid_is_never_refunded(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)

    problem(await desk.refund(order_id, TOTAL + 1), 422, "refund-exceeds-paid")
    problem(await desk.refund(order_id, 0), 422, "invalid-request")
    body(await desk.refund(order_id, 3000), 200)
    # At once, before the first one has settled: what is asked for counts.
    problem(await desk.refund(order_id, TOTAL - 3000 + 1), 422, "refund-exceeds-paid")

    await guest.sees(order_id, payment_status="partially_refunded")
    assert await kept(system, order_id) == TOTAL - 3000


async def test_refunds_asked_at_the_same_time_never_exceed_what_was_paid(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)

    answers = await asyncio.gather(*(desk.refund(order_id, 1000) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [422] * 4
    await guest.sees(order_id, payment_status="partially_refunded", refunded=euro(4000))
    assert await kept(system, order_id) == TOTAL - 4000


async def test_a_refund_repeated_with_the_same_key_is_made_once(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)

    answers = await asyncio.gather(*(desk.refund(order_id, 1000, key="the-same") for _ in range(4)))
    await guest.sees(order_id, payment_status="partially_refunded")
    later = await desk.refund(order_id, 1000, key="the-same")

    assert {answer.status_code for answer in (*answers, later)} == {200}
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]


async def test_a_refund_of_all_that_is_left_is_repeatable_too(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    body(await desk.refund(order_id, key="all"), 200)
    await guest.sees(order_id, payment_status="refunded")

    again = await desk.refund(order_id, key="all")

    assert body(again, 200)["payment_status"] == "refunded"
    assert len(await refunds_of(system, order_id)) == 1


async def test_the_same_key_with_another_amount_is_refused(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    body(await desk.refund(order_id, 1000, key="mine"), 200)

    problem(await desk.refund(order_id, 2000, key="mine"), 422, "idempotency-key-reused")

    await guest.sees(order_id, payment_status="partially_refunded", refunded=euro(1000))
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]


async def test_a_refund_without_a_key_is_refused(guest: Guest, desk: Desk) -> None:
    order_id = (await guest.order())["order_id"]

    answer = await desk.http.post(f"/v1/orders/{order_id}/refunds", json={"reason": "none"})

    problem(answer, 400, "idempotency-key-missing")


async def test_a_slow_refund_counts_once_it_has_settled(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest, card=SLOW_REFUND_CARD)

    body(await desk.cancel(order_id), 200)
    refund = await _refund_at_psp(system, order_id)
    before = await guest.see(order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "succeed"})

    assert (before["status"], before["payment_status"]) == ("cancelled", "paid")
    await guest.sees(order_id, status="cancelled", payment_status="refunded", refunded=euro(TOTAL))


async def test_a_refund_that_fails_later_brings_a_cancelled_order_before_a_person(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest, card=REFUND_FAILS_CARD)
    body(await cancel(guest, order_id), 200)
    await guest.sees(order_id, status="cancelled", payment_status="refunded")

    refund = await _refund_at_psp(system, order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "fail"})

    await guest.sees(order_id, status="needs_review", refunded=euro(0))
    assert await kept(system, order_id) == TOTAL


async def test_after_a_failed_refund_staff_try_again_and_the_order_ends_cancelled_and_refunded(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest, card=REFUND_FAILS_CARD)
    body(await cancel(guest, order_id), 200)
    refund = await _refund_at_psp(system, order_id)
    await guest.sees(order_id, payment_status="refunded")
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "fail"})
    await guest.sees(order_id, status="needs_review")

    body(await desk.resolve(order_id, "refund"), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_a_refund_that_fails_later_on_a_confirmed_order_is_taken_back(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest, card=REFUND_FAILS_CARD)
    body(await desk.refund(order_id, 1000), 200)
    await guest.sees(order_id, payment_status="partially_refunded")

    refund = await _refund_at_psp(system, order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "fail"})

    await guest.sees(order_id, status="confirmed", payment_status="paid", refunded=euro(0))
    body(await desk.refund(order_id), 200)
    await guest.sees(order_id, status="confirmed", payment_status="refunded", refunded=euro(TOTAL))


async def _refund_at_psp(system: System, order_id: str) -> Json:
    [refund] = await until(lambda: refunds_of(system, order_id), "the PSP has the refund")
    return refund
