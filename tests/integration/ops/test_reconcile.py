"""Reconciliation from the orders' side: a store that was restored learns again what the guest has paid."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.desk import cancel, is_clean, paid_order
from tests.support.guest import body
from tests.support.operator import Operator
from tests.support.system import GOOD_CARD, System
from tests.support.waiting import until


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(settle_after=None))


async def order_of(system: System, order_id: str) -> Any:
    return await system.documents["orders"].find_one({"_id": order_id})


async def reconciled(operator: Operator) -> Any:
    return await operator.json("reconcile", "--why", "a store was restored", code=None)


@pytest.mark.parametrize("keys_are_forgotten", [False, True])
async def test_an_order_whose_payment_is_gone_from_the_store_is_found_paid_at_the_psp(
    operator: Operator, keys_are_forgotten: bool
) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = (await guest.order())["order_id"]
    async with system.faults(webhooks={"drop": {"probability": 1}}):
        body(await system.pay(await guest.session(order_id), GOOD_CARD), 200)
    await system.documents["payments"].delete_one({"state.order_id": order_id})
    if keys_are_forgotten:
        await system.switch("idempotency-keys/forget")

    result = await reconciled(operator)

    assert result["restored"] == 1
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    await is_clean(system)
    captured = [intent["amount_received"] for intent in await system.intents(order_id)]
    assert sum(captured) == 4800


async def test_an_order_restored_to_before_it_was_paid_is_confirmed_again(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    backup = await order_of(system, order_id)
    body(await system.pay(session, GOOD_CARD), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    await system.documents["orders"].replace_one({"_id": order_id}, backup)

    result = await reconciled(operator)

    assert result["restored"] == 1
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    await is_clean(system)


@pytest.mark.parametrize("forgotten", ["payment", "session"])
async def test_an_unpaid_order_of_which_a_restored_store_has_forgotten_a_part_can_be_cancelled_and_no_longer_paid(
    operator: Operator, forgotten: str
) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = (await guest.order())["order_id"]
    backup = await order_of(system, order_id)
    await guest.session(order_id)
    if forgotten == "payment":
        await system.documents["payments"].delete_one({"state.order_id": order_id})
    else:
        await system.documents["orders"].replace_one({"_id": order_id}, backup)

    result = await reconciled(operator)
    body(await cancel(guest, order_id), 200)

    assert result["restored"] == 1
    await guest.sees(order_id, status="cancelled")
    assert [intent["status"] for intent in await system.intents(order_id)] == ["canceled"]
    await is_clean(system)


async def test_orders_that_are_not_paid_and_final_ones_are_left_alone(operator: Operator) -> None:
    system = operator.system
    await system.guest().order()
    await paid_order(system, system.guest())

    result = await reconciled(operator)

    assert (result["restored"], result["changes"]) == (0, [])

    async def is_recorded() -> bool:
        return "0 orders' payments restored" in (await operator.runs("audit-log")).said

    await until(is_recorded, "the audit log says what came of it")


async def test_the_command_prints_what_changed_and_then_that_nothing_had_to_be(operator: Operator) -> None:
    system, guest = operator.system, operator.system.guest()
    order_id = (await guest.order())["order_id"]
    async with system.faults(webhooks={"drop": {"probability": 1}}):
        body(await system.pay(await guest.session(order_id), GOOD_CARD), 200)

    first = await operator.runs("reconcile", "--why", "webhooks were blocked, INC-42", "--who", "petra")
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    second = await operator.runs("reconcile", "--why", "once more")
    audit_log = await operator.json("audit-log")

    assert "Asked the PSP about 1 open payments and its recent events." in first.said
    assert f"{order_id.replace('ord_', 'pay_')}: " in first.said
    assert "→ succeeded" in first.said
    assert "No changes were needed." in second.said
    assert [(entry["who"], entry["why"]) for entry in audit_log if entry["action"] == "reconcile"] == [
        ("petra (by olga)", "webhooks were blocked, INC-42"),
        ("olga", "once more"),
    ]
