"""A refund that the PSP never answers, or never settles, ends before a person.

Days pass in seconds (`poll_interval_factor`).
"""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.integration.money.test_forbidden import refund_stages
from tests.support.desk import Desk, cancel, paid_order, refunds_of
from tests.support.guest import BREAKFAST_TOTAL, Json, body
from tests.support.system import System
from tests.support.waiting import until

Systems = Callable[..., Awaitable[System]]

PACE: dict[str, Any] = {"poll_interval_factor": 0.00001, "stripe_retries": 0, "stripe_breaker_threshold": 1000}
"""A day in 0.9 s, the seven of an unanswered refund in 6 s, the fourteen of an unsettled one in 12 s."""

PENDING_REFUND_CARD = "4000000000007726"


async def test_a_refund_that_is_not_answered_for_a_week_ends_before_a_person_and_is_made_once_all_the_same(
    own_system: Systems,
) -> None:
    system = await own_system(**PACE)
    guest, desk = system.guest(), Desk.of(system)
    order_id = await paid_order(system, guest)
    silent: Json = {"probability": 1, "match": "/v1/refunds"}

    async with system.faults(api={"fail_500": silent}):
        body(await cancel(guest, order_id), 200)
        await guest.sees(order_id, status="needs_review")
        review = (await desk.sees(order_id))["staff"]["review"]
        asked = await refund_stages(system, order_id)

    await guest.sees(order_id, status="cancelled", payment_status="refunded", refunded=BREAKFAST_TOTAL)
    assert "has not said whether it made this refund" in review
    assert asked == ["requested"]
    assert len(await refunds_of(system, order_id)) == 1
    assert set((await system.parked()).values()) == {0}


async def test_a_refund_that_is_not_settled_for_two_weeks_ends_before_a_person(own_system: Systems) -> None:
    system = await own_system(**PACE)
    guest, desk = system.guest(), Desk.of(system)
    order_id = await paid_order(system, guest, card=PENDING_REFUND_CARD)

    body(await cancel(guest, order_id), 200)
    await guest.sees(order_id, status="needs_review")
    order = await desk.sees(order_id)
    [refund] = await refunds_of(system, order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "succeed"})

    await guest.sees(order_id, status="cancelled", payment_status="refunded", refunded=BREAKFAST_TOTAL)
    assert "has this refund and has not settled it" in order["staff"]["review"]
    assert [each["needs_attention"] for each in order["refunds"]] == [True]
    await until(lambda: no_longer_needs_attention(desk, order_id), "staff see that it is settled")


async def no_longer_needs_attention(desk: Desk, order_id: str) -> bool:
    return not any(refund["needs_attention"] for refund in (await desk.sees(order_id))["refunds"])
