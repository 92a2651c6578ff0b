"""Disputes at the sandbox: their whole life, in parts, and what may be refunded meanwhile."""

from typing import get_args

import pytest
import stripe

from stripe_sandbox.disputes import STATUSES
from tests.integration.sandbox.conftest import Bench


async def disputed(bench: Bench, intent: stripe.PaymentIntent, **how: object) -> str:
    return str((await bench.switch(f"payment_intents/{intent.id}/dispute", how))["id"])


async def becomes(bench: Bench, dispute_id: str, status: str) -> None:
    await bench.switch(f"disputes/{dispute_id}/status", {"status": status})


def test_the_sandbox_knows_every_status_that_the_sdk_lists() -> None:
    statuses, _any_other = get_args(stripe.Dispute.__annotations__["status"])

    assert set(get_args(statuses)) == STATUSES


async def test_what_a_lost_part_leaves_can_be_refunded_and_no_more(bench: Bench) -> None:
    intent = await bench.paid(2500)
    dispute_id = await disputed(bench, intent, amount=1000)
    await becomes(bench, dispute_id, "lost")

    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id, "amount": 1501})
    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})

    assert refund.amount == 1500


async def test_an_inquiry_moves_no_money_and_may_be_refunded(bench: Bench) -> None:
    intent = await bench.paid(2500)
    dispute_id = await disputed(bench, intent, status="warning_needs_response")

    inquiry = await bench.sdk.v1.disputes.retrieve_async(dispute_id)
    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})

    assert (inquiry.is_charge_refundable, inquiry.balance_transactions) == (True, [])
    assert refund.amount == 2500


async def test_each_step_of_an_appeal_moves_the_money_and_is_reported_later_than_the_one_before(bench: Bench) -> None:
    intent = await bench.paid(2500)
    dispute_id = await disputed(bench, intent)
    for status in ("won", "appeal_needs_response", "appeal_under_review", "lost"):
        await becomes(bench, dispute_id, status)

    dispute = await bench.sdk.v1.disputes.retrieve_async(dispute_id)
    events = await bench.sdk.v1.events.list_async({"limit": 100})
    steps = {event.data.object["status"]: event.created for event in events.data if event.type.startswith("charge.dis")}

    assert [moved.amount for moved in dispute.balance_transactions] == [-2500, 2500, -2500]
    assert sorted(steps, key=lambda status: steps[status]) == [
        "needs_response",
        "won",
        "appeal_needs_response",
        "appeal_under_review",
        "lost",
    ]
    assert len(set(steps.values())) == 5
    clock = await bench.switch("clock", method="GET")
    assert max(steps.values()) <= clock["now"], "no event is of the future"


async def test_a_step_that_no_bank_takes_is_refused(bench: Bench) -> None:
    dispute_id = await disputed(bench, await bench.paid(2500), status="prevented")

    answer = await bench.http.post(f"/_sandbox/disputes/{dispute_id}/status", json={"status": "won"})

    assert answer.status_code == 400
