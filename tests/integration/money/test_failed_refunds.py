"""A refund that fails after the guest has what was ordered: staff see it, and see to it."""

from tests.integration.money.test_staff import euro
from tests.support.desk import TOTAL, Desk, kept
from tests.support.guest import Guest, body, problem
from tests.support.situations import failed_part
from tests.support.system import System


async def test_a_refund_that_fails_after_fulfilment_is_seen_by_staff_alone(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id, refund = await failed_part(system, guest, desk)

    order = await guest.sees(order_id, status="fulfilled", payment_status="paid", refunded=euro(0))
    assert order["refunds"] is None
    assert (refund["amount"], refund["stage"], refund["asked_by"]) == (euro(1200), "failed", "stf_vroni")
    assert refund["reason"] == "asked at the desk"
    assert refund["detail"]
    assert await system.times_logged(order_id, "orders.order-refund-failed.v1") == 1
    body(await desk.settle_outside(order_id, refund["refund_id"], 1200), 200)


async def test_a_failed_refund_is_asked_for_again_once(system: System, guest: Guest, desk: Desk) -> None:
    order_id, refund = await failed_part(system, guest, desk)

    first, again = [body(await desk.retry(order_id, refund["refund_id"]), 200) for _ in range(2)]

    await guest.sees(order_id, status="fulfilled", payment_status="partially_refunded", refunded=euro(1200))
    assert len(first["refunds"]) == len(again["refunds"]) == 2
    assert first["refunds"][1]["repeats"] == refund["refund_id"]
    assert await kept(system, order_id) == TOTAL - 1200


async def test_a_failed_refund_is_settled_outside(system: System, guest: Guest, desk: Desk) -> None:
    order_id, refund = await failed_part(system, guest, desk)

    settled = body(await desk.settle_outside(order_id, refund["refund_id"], 1200), 200)["refunds"][0]

    assert (settled["needs_attention"], settled["settled"]["by"]) == (False, "stf_vroni")
    assert settled["settled"]["amount"] == euro(1200)
    problem(await desk.retry(order_id, refund["refund_id"]), 409, "refund-not-failed")
    problem(await desk.refund(order_id, TOTAL), 422, "refund-exceeds-paid")
    assert await kept(system, order_id) == TOTAL
