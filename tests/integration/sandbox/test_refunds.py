"""Refunds and disputes, by API and as made in the dashboard."""

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench, eventually


async def test_a_payment_is_refunded_in_parts_and_never_beyond(bench: Bench) -> None:
    intent = await bench.paid(2500)

    part = await bench.sdk.v1.refunds.create_async(
        {"payment_intent": intent.id, "amount": 1000, "metadata": {"refund_id": "ref_1"}}
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id, "amount": 1501})
    rest = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})

    assert (part.status, part.amount, rest.amount) == ("succeeded", 1000, 1500)
    assert (caught.value.http_status, caught.value.param) == (400, "amount")
    charge = await bench.sdk.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (2500, True)
    state = await bench.state()
    assert (state["captured"], state["refunded"]) == ({"eur": 2500}, {"eur": 2500})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})
    assert caught.value.code == "charge_already_refunded"
    await bench.inbox.gets("refund.created", "charge.refunded")


async def test_refunds_are_retrieved_and_listed_by_payment(bench: Bench) -> None:
    mine, other = await bench.paid(), await bench.paid()
    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": mine.id})
    await bench.sdk.v1.refunds.create_async({"payment_intent": other.id})

    listed = await bench.sdk.v1.refunds.list_async({"payment_intent": mine.id})
    retrieved = await bench.sdk.v1.refunds.retrieve_async(refund.id, {"expand": ["charge"]})

    assert [item.id for item in listed.data] == [refund.id]
    assert isinstance(retrieved.charge, stripe.Charge)


async def test_what_was_not_paid_cannot_be_refunded(bench: Bench) -> None:
    intent = await bench.intent()

    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.refunds.create_async({"payment_intent": "pi_none"})

    assert caught.value.code == "resource_missing"


async def test_a_refund_made_in_the_dashboard_is_reported_by_webhook_and_has_no_request(bench: Bench) -> None:
    intent = await bench.paid(2500)

    refund = await bench.switch(f"payment_intents/{intent.id}/refund", {"amount": 700})

    await bench.inbox.gets("charge.refunded")
    [created] = [event for event in bench.inbox.events if event.type == "refund.created"]
    assert created.data.object["id"] == refund["id"]
    assert created.data.object["payment_intent"] == intent.id
    assert created.request is not None
    assert created.request.id is None


async def test_a_pending_refund_that_fails_later_gives_the_amount_back_to_the_charge(bench: Bench) -> None:
    intent = await bench.paid(2500, "pm_card_pendingRefund")
    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "pending"

    await bench.switch(f"refunds/{refund.id}/settle", {"outcome": "fail"})

    after = await bench.sdk.v1.refunds.retrieve_async(refund.id)
    assert (after.status, after.failure_reason) == ("failed", "expired_or_canceled_card")
    charge = await bench.sdk.v1.charges.retrieve_async(str(intent.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    await bench.inbox.gets("refund.updated", "charge.refund.updated", "refund.failed")


@pytest.mark.parametrize(
    ("method", "first", "last"),
    [("pm_card_pendingRefund", "pending", "succeeded"), ("pm_card_refundFail", "succeeded", "failed")],
)
async def test_a_slow_refund_settles_by_itself(bench: Bench, method: str, first: str, last: str) -> None:
    await bench.switch("settings", {"settle_after": 0.05}, method="PUT")
    intent = await bench.paid(2500, method)

    refund = await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})

    assert refund.status == first

    async def settled() -> bool:
        return (await bench.sdk.v1.refunds.retrieve_async(refund.id)).status == last

    await eventually(settled)


@pytest.mark.parametrize(("decision", "charged_back"), [("won", {}), ("lost", {"eur": 2500})])
async def test_a_dispute_is_opened_and_decided_from_outside(
    bench: Bench, decision: str, charged_back: dict[str, int]
) -> None:
    intent = await bench.paid(2500)

    dispute = await bench.switch(f"payment_intents/{intent.id}/dispute", {"reason": "product_not_received"})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})
    await bench.switch(f"disputes/{dispute['id']}/close", {"status": decision})

    assert caught.value.code == "charge_disputed"
    after = await bench.sdk.v1.disputes.retrieve_async(dispute["id"])
    assert (after.status, after.reason, after.payment_intent) == (decision, "product_not_received", intent.id)
    assert (await bench.state())["charged_back"] == charged_back
    await bench.inbox.gets("charge.dispute.created", "charge.dispute.closed")
