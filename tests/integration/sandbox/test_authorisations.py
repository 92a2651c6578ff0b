"""Payments that are authorised first: captured in full or in part, once, or lapsed after seven days."""

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench

WEEK = 7 * 24 * 3600


async def authorised(bench: Bench) -> stripe.PaymentIntent:
    return await bench.intent(2500, capture_method="manual", confirm=True, payment_method="pm_card_visa")


async def test_the_charge_says_when_the_authorisation_lapses(bench: Bench) -> None:
    intent = await authorised(bench)

    seen = await bench.sdk.v1.payment_intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})

    charge = seen.to_dict()["latest_charge"]
    assert (charge["captured"], charge["amount_captured"], charge["status"]) == (False, 0, "succeeded")
    assert charge["payment_method_details"]["card"]["capture_before"] == charge["created"] + WEEK


async def test_it_is_captured_once(bench: Bench) -> None:
    intent = await authorised(bench)

    captured = await bench.sdk.v1.payment_intents.capture_async(intent.id)
    with pytest.raises(stripe.InvalidRequestError) as again:
        await bench.sdk.v1.payment_intents.capture_async(intent.id)

    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 2500, 0)
    assert again.value.code == "payment_intent_unexpected_state"
    assert (await bench.state())["captured"] == {"eur": 2500}
    await bench.inbox.gets("charge.captured", "payment_intent.succeeded")


async def test_a_part_is_captured_and_no_more_than_was_authorised(bench: Bench) -> None:
    intent = await authorised(bench)

    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 2501})
    captured = await bench.sdk.v1.payment_intents.capture_async(intent.id, {"amount_to_capture": 1000})

    assert (captured.status, captured.amount_received) == ("succeeded", 1000)
    assert (await bench.state())["captured"] == {"eur": 1000}


async def test_it_lapses_after_seven_days(bench: Bench) -> None:
    intent = await authorised(bench)

    await bench.advance(WEEK + 1)
    lapsed = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)

    assert (lapsed.status, lapsed.cancellation_reason, lapsed.amount_capturable) == ("canceled", "expired", 0)
    await bench.inbox.gets("charge.expired", "payment_intent.canceled")
