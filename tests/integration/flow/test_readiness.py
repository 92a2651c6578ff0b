"""Readiness tells what is wrong; one document that cannot be read keeps nothing from the others."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.guest import body
from tests.support.system import PAYMENTS, System
from tests.support.waiting import until


async def test_an_outbox_that_cannot_be_sent_is_reported_while_other_payments_go_on(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system()
    guest = system.guest()
    paid = (await guest.order())["order_id"]
    session = await guest.session(paid)
    payments = system.documents["payments"]
    long_ago = datetime.now(UTC) - timedelta(seconds=90)

    # As a newer version of the service might leave it: one we cannot read.
    await payments.insert_one({"_id": "pay_unreadable", "version": 1, "unsent_since": long_ago, "outbox": []})

    async def reported() -> str:
        said = (await system.operator(PAYMENTS, "/health/ready")).json()["problems"]
        return str(said.get("outbox of payments", ""))

    sentence = await until(reported, "readiness tells of the outbox")
    body(await system.pay(session), 200)
    await guest.sees(paid, status="confirmed", payment_status="paid")

    assert (await system.operator(PAYMENTS, "/health/ready")).status_code == 503
    assert (await system.operator(PAYMENTS, "/health/live")).status_code == 200
    assert "of the payments have unsent messages, the oldest for" in sentence
    await payments.delete_one({"_id": "pay_unreadable"})


async def test_a_sweep_goes_on_after_a_document_it_cannot_read(own_system: Callable[..., Any]) -> None:
    system: System = await own_system(pay_within=timedelta(seconds=3))
    broken = {"_id": "ord_unreadable", "version": 1, "due_at": datetime(2020, 1, 1, tzinfo=UTC), "state": {}}
    await system.documents["orders"].insert_one(broken)
    guest = system.guest()

    order_id = (await guest.order())["order_id"]

    await guest.sees(order_id, status="expired")
    await system.documents["orders"].delete_one({"_id": "ord_unreadable"})
