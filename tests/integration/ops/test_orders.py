"""Orders are found by what they wait for, by status, property and age, without the seven-day log."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.desk import Desk, paid_order
from tests.support.guest import body
from tests.support.operator import Operator
from tests.support.operators_page import Page, page_of, running
from tests.support.situations import failed_part, mismatched
from tests.support.system import EXTRAS, SLOW_REFUND_CARD, System
from tests.support.waiting import until


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(settle_after=None))


async def _listed(operator: Operator, *words: str) -> list[str]:
    return [order["order_id"] for order in await operator.json("orders", *words)]


async def test_orders_in_review_come_first_with_their_reason_and_age(operator: Operator) -> None:
    guest = operator.system.guest()
    in_review = await mismatched(operator.system, guest)
    paid = await paid_order(operator.system, guest)

    everything = await operator.json("orders")
    reviews = await operator.json("orders", "--status", "needs_review")
    shown = await operator.runs("orders")

    assert [order["order_id"] for order in everything] == [in_review, paid]
    assert [order["order_id"] for order in reviews] == [in_review]
    assert (reviews[0]["waiting_since"] is not None, everything[1]["waiting_since"]) == (True, None)
    assert reviews[0]["review"]
    assert "€" in shown.said
    await until(lambda: _is_shown(operator.system), "the gauge shows it")


async def _is_shown(system: System) -> bool:
    return await system.counted(EXTRAS, "bellhop_waiting", what="orders_in_review") == 1


async def test_orders_are_found_by_property_and_age(operator: Operator) -> None:
    order_id = (await operator.system.guest().order())["order_id"]

    assert await _listed(operator, "--property", "alpenhof", "--since", "1h") == [order_id]
    assert await _listed(operator, "--property", "another-hotel") == []
    assert await _listed(operator, "--status", "confirmed") == []
    assert "No such orders" in (await operator.runs("orders", "--status", "expired")).said
    await operator.runs("orders", "--status", "lost", code=2)
    await operator.runs("orders", "--since", "yesterday-ish", code=2)


async def test_an_order_is_found_by_a_refund_that_has_not_settled(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = await paid_order(system, guest, card=SLOW_REFUND_CARD)
    body(await Desk.of(system).refund(order_id, 1200), 200)

    async def refunding() -> bool:
        return await _listed(operator, "--refunding") == [order_id]

    await until(refunding, "the refund is listed")
    assert await _listed(operator, "--refunding", "--property", "another-hotel") == []


async def test_a_refund_that_failed_on_a_fulfilled_order_is_listed_and_counted(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    later = await paid_order(system, guest)
    order_id, refund = await failed_part(system, guest, Desk.of(system))

    [listed] = await operator.json("orders", "--refunding")
    everything = await _listed(operator)
    shown = await operator.runs("orders")

    assert (listed["order_id"], listed["status"], listed["refunds"]) == (order_id, "fulfilled", [refund])
    assert everything == [order_id, later]
    assert "a refund of €12.00 is failed" in listed["why"]
    assert "€12.00" in shown.said
    await until(lambda: _is_counted(system, 1), "the gauge shows it")
    body(await Desk.of(system).settle_outside(order_id, refund["refund_id"], 1200), 200)
    await until(lambda: _is_counted(system, 0), "it is settled")


async def _is_counted(system: System, number: int) -> bool:
    return await system.counted(EXTRAS, "bellhop_waiting", what="refunds_failed") == number


async def test_the_page_lists_the_same_orders(operator: Operator) -> None:
    in_review = await mismatched(operator.system, operator.system.guest())

    async with running(page_of(operator.system)) as http:
        page = Page(http)
        found = await page.get("/orders?status=needs_review&status=expired&property=alpenhof")
        unreadable = await http.get("/ops/api/orders?since=tomorrowish")

    assert [order["order_id"] for order in found["orders"]] == [in_review]
    assert unreadable.status_code == 422
