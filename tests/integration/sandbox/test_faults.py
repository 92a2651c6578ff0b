"""The API with faults switched on."""

import asyncio
import time

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench


async def test_the_next_calls_fail_with_500_and_have_no_effect(bench: Bench) -> None:
    await bench.faults(api={"fail_500": {"next": 2}})

    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            await bench.intent()
        assert caught.value.http_status == 500

    assert (await bench.state())["payment_intents"] == {}
    assert (await bench.intent()).status == "requires_payment_method"


async def test_too_many_requests_are_a_rate_limit_error(bench: Bench) -> None:
    await bench.faults(api={"fail_429": {"next": 1}})

    with pytest.raises(stripe.RateLimitError):
        await bench.intent()


async def test_a_connection_closed_after_the_effect_leaves_the_effect(bench: Bench) -> None:
    await bench.faults(api={"close_after_effect": {"next": 1}})

    with pytest.raises(stripe.APIConnectionError):
        await bench.intent()

    assert (await bench.state())["payment_intents"] == {"requires_payment_method": 1}


async def test_a_slow_api_takes_its_time_and_several_calls_at_once(bench: Bench) -> None:
    await bench.faults(api={"latency_ms": 200})

    begun = time.monotonic()
    await asyncio.gather(*(bench.intent() for _ in range(5)))

    assert 0.2 <= time.monotonic() - begun < 0.9


async def test_a_fault_strikes_only_what_it_matches(bench: Bench) -> None:
    intent = await bench.paid()
    await bench.faults(api={"fail_500": {"probability": 1, "match": "POST /v1/refunds"}})

    await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    with pytest.raises(stripe.APIError):
        await bench.sdk.v1.refunds.create_async({"payment_intent": intent.id})

    assert (await bench.state())["refunded"] == {}


async def test_faults_are_shown_counted_down_and_cleared(bench: Bench) -> None:
    await bench.faults(api={"fail_500": {"next": 2}}, webhooks={"drop": {"probability": 0.5}}, seed=7)
    with pytest.raises(stripe.APIError):
        await bench.intent()

    shown = await bench.switch("faults", method="GET")
    await bench.switch("faults", method="DELETE")
    cleared = await bench.switch("faults", method="GET")

    assert shown["api"]["fail_500"]["next"] == 1
    assert shown["webhooks"]["drop"]["probability"] == 0.5
    assert cleared["webhooks"]["drop"]["probability"] == 0


@pytest.mark.parametrize("body", [{"weather": "bad"}, {"api": {"fail_500": {"probability": 2}}}])
async def test_an_unknown_fault_is_refused(bench: Bench, body: dict[str, object]) -> None:
    answer = await bench.http.put("/_sandbox/faults", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
