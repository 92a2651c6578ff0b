"""The log: found, and sent again to one queue."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.flow.test_counted import FLOW
from tests.support.desk import paid_order
from tests.support.operator import Operator
from tests.support.waiting import until


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


async def test_an_orders_messages_are_found_in_their_order(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())
    await paid_order(operator.system, operator.system.guest())
    await operator.system.log_of(order_id, "orders.order-confirmed.v1")

    found = await operator.runs("log", "find", "--order", order_id)
    refunds = await operator.runs("log", "find", "--order", order_id, "--kind", "*refund*", code=1)

    kinds = [line.split()[3] for line in found.said.splitlines()]
    assert kinds[:2] == ["orders.place-order.v1", "orders.order-pending-payment.v1"]
    assert "orders.order-confirmed.v1" in kinds[-2:]  # its receipt may be there already
    assert all(order_id in line for line in found.said.splitlines())
    assert "nothing for" in refunds.said


async def test_a_replay_goes_to_one_queue_and_skips_what_was_handled(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())
    # Not the counters: a relay that found a message unconfirmed for too long has counted it twice.
    published = await operator.system.log_of(order_id, *FLOW)
    await until(lambda: _has_rested(operator, order_id), "the outbox is cleared")
    before = await operator.system.document(order_id)

    report = await operator.json(
        "log", "replay", "--to", "extras.payments", "--order", order_id, "--why", "to be sure", "--yes"
    )

    assert report["skipped"] >= 2, "PaymentSessionCreated and PaymentSucceeded at least"
    assert (report["sent"], report["failed"], report["left"]) == (0, 0, 0)
    assert await operator.system.document(order_id) == before
    assert await operator.system.log_of(order_id) == published


async def test_what_a_document_has_forgotten_is_sent_and_comes_to_nothing(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())
    await operator.system.log_of(order_id, "payments.payment-succeeded.v1")
    await operator.system.documents["orders"].update_one({"_id": order_id}, {"$set": {"handled": []}})
    options = ("--to", "extras.payments", "--order", order_id, "--kind", "*succeeded*")

    saved = await operator.json("log", "replay", *options, code=3)
    plan = await operator.json("plans", "show", saved["plan_id"])
    report = await operator.json("plans", "run", saved["plan_id"], "--why", "to see")

    assert plan["items"][0]["forecast"] == {
        "outcome": "ignored",
        "detail": "paid already",
        "sends": [],
        "sentence": "",
    }
    assert (report["sent"], report["failed"]) == (1, 0)


async def test_another_queue_than_a_services_is_refused(operator: Operator) -> None:
    answer = await operator.runs("log", "replay", "--to", "retry.1s", code=2)

    assert "extras.payments" in answer.said


async def _has_rested(operator: Operator, order_id: str) -> bool:
    document = await operator.system.document(order_id)
    return document is not None and not document["outbox"]
