"""The account's clock, set forward: everything that time does at Stripe happens by it."""

import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench, Inbox, bench_of, eventually

HOUR = 3600.0
DAY = 24 * HOUR


@pytest.fixture
async def own(inbox: Inbox) -> AsyncIterator[Bench]:
    """A sandbox that no other test uses afterwards: its clock does not go back."""
    async with bench_of(inbox) as bench:
        yield bench


async def test_objects_events_dates_and_signatures_are_of_the_time_that_was_set(own: Bench) -> None:
    began = time.time()

    await own.advance(3 * DAY)
    intent = await own.paid()
    dispute = await own.switch(f"payment_intents/{intent.id}/dispute")
    refunded = await own.paid(10_000)
    refund = await own.sdk.v1.refunds.create_async({"payment_intent": refunded.id, "amount": 1000})
    payout = await own.switch("payouts")
    await own.inbox.gets("payment_intent.succeeded", "refund.created", "payout.paid")

    [moved, *_] = (await own.sdk.v1.balance_transactions.list_async({"source": str(refund.id)})).data
    answer = await own.http.get("/v1/events", headers={"Authorization": "Bearer sk_test_sandbox"})
    signed = [int(header.partition(",")[0].removeprefix("t=")) for _, header in own.inbox.received]
    times = [intent.created, dispute["created"], refund.created, payout["created"], moved.created, moved.available_on]
    times += [event.created for event in own.inbox.events] + signed
    times.append(int(parsedate_to_datetime(answer.headers["date"]).timestamp()))
    assert [at for at in times if not 3 * DAY - 1 <= at - began <= 3 * DAY + 600] == []


async def test_the_clock_never_goes_back(own: Bench) -> None:
    await own.advance(HOUR)

    backwards = await own.http.post("/_sandbox/clock/advance", json={"seconds": -1})
    await own.switch("reset")

    assert backwards.status_code == 400
    assert (await own.switch("clock", method="GET"))["ahead_s"] == HOUR


async def test_the_time_that_was_set_outlives_a_restart(inbox: Inbox, tmp_path: Path) -> None:
    async with bench_of(inbox, data=tmp_path / "sandbox.json") as before:
        await before.advance(DAY)

    async with bench_of(inbox, data=tmp_path / "sandbox.json") as after:
        assert (await after.switch("clock", method="GET"))["ahead_s"] == DAY


@pytest.mark.parametrize(("later", "is_same"), [(23 * HOUR, True), (25 * HOUR, False)])
async def test_an_idempotency_key_is_kept_for_a_day(own: Bench, later: float, is_same: bool) -> None:
    order: stripe.params.PaymentIntentCreateParams = {"amount": 2500, "currency": "eur"}
    first = await own.sdk.v1.payment_intents.create_async(order, {"idempotency_key": "create:1"})

    await own.advance(later)
    second = await own.sdk.v1.payment_intents.create_async(order, {"idempotency_key": "create:1"})

    assert (second.id == first.id) is is_same


async def test_a_voucher_expires_at_the_time_it_names_and_not_before(own: Bench) -> None:
    intent = await own.intent()
    shown = await own.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method_data": {"type": "oxxo"}})
    assert shown.next_action is not None
    left = shown.next_action["oxxo_display_details"]["expires_after"] - shown.created
    statuses = []

    for seconds in (left - HOUR, HOUR + 1):
        await own.advance(seconds)
        statuses.append((await own.sdk.v1.payment_intents.retrieve_async(intent.id)).status)

    assert statuses == ["requires_action", "requires_payment_method"]
    await own.inbox.gets("payment_intent.payment_failed")


async def test_a_voucher_that_was_paid_does_not_expire(own: Bench) -> None:
    intent = await own.intent()
    await own.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method_data": {"type": "oxxo"}})
    await own.switch(f"payment_intents/{intent.id}/pay")

    await own.advance(4 * DAY)

    assert (await own.sdk.v1.payment_intents.retrieve_async(intent.id)).status == "succeeded"


@pytest.mark.parametrize(
    ("begins_as", "days", "ends_as"),
    [
        ("needs_response", 8, "lost"),
        ("warning_needs_response", 8, None),
        ("warning_needs_response", 121, "warning_closed"),
    ],
    ids=["a dispute without an answer is lost", "an inquiry waits longer", "an inquiry is closed in the end"],
)
async def test_a_dispute_runs_out_at_its_due_date(own: Bench, begins_as: str, days: int, ends_as: str | None) -> None:
    intent = await own.paid()
    dispute_id = (await own.switch(f"payment_intents/{intent.id}/dispute", {"status": begins_as}))["id"]

    await own.advance(days * DAY)

    dispute = await own.sdk.v1.disputes.retrieve_async(dispute_id)
    assert dispute.status == (ends_as or begins_as)
    assert dispute.evidence_details.past_due is (ends_as is not None)


async def test_a_dispute_that_was_answered_in_time_waits_for_the_bank(own: Bench) -> None:
    intent = await own.paid()
    dispute_id = (await own.switch(f"payment_intents/{intent.id}/dispute"))["id"]
    await own.switch(f"disputes/{dispute_id}/status", {"status": "under_review"})

    await own.advance(30 * DAY)

    assert (await own.sdk.v1.disputes.retrieve_async(dispute_id)).status == "under_review"


async def test_slow_payments_and_refunds_settle_when_their_time_has_come(inbox: Inbox) -> None:
    async with bench_of(inbox, settle_after=DAY) as bench:
        paying = await bench.paid(method="pm_card_processing")
        paid = await bench.paid(method="pm_card_pendingRefund")
        refund = await bench.sdk.v1.refunds.create_async({"payment_intent": paid.id})

        await bench.advance(DAY + 1)

        assert (await bench.sdk.v1.payment_intents.retrieve_async(paying.id)).status == "succeeded"
        assert (await bench.sdk.v1.refunds.retrieve_async(str(refund.id))).status == "succeeded"


async def test_a_refused_webhook_is_sent_again_as_soon_as_the_clock_has_come_to_its_turn(inbox: Inbox) -> None:
    async with bench_of(inbox, retry_first=HOUR, retry_longest=DAY) as bench:
        inbox.answers = [500, 500]
        await bench.intent()
        await eventually(lambda: _counts(bench, retried=1))
        await bench.advance(HOUR + 1)
        await eventually(lambda: _counts(bench, retried=2))
        await bench.advance(2 * HOUR + 1)

        await eventually(lambda: _counts(bench, retried=2, sent=1))


async def test_an_event_can_be_had_for_thirty_days(own: Bench) -> None:
    await own.intent()
    [event] = (await own.sdk.v1.events.list_async()).data

    await own.advance(31 * DAY)

    assert (await own.sdk.v1.events.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await own.sdk.v1.events.retrieve_async(event.id)
    assert caught.value.code == "resource_missing"


async def _counts(bench: Bench, **counts: int) -> bool:
    webhooks = (await bench.state())["webhooks"]
    return {name: webhooks[name] for name in counts} == counts
