"""Idempotency keys: the same answer for the same request, whatever happens on the way."""

import asyncio

import httpx
import pytest
import stripe

from tests.integration.sandbox.conftest import Bench, bench_of, client_for

ORDER: stripe.params.PaymentIntentCreateParams = {"amount": 2500, "currency": "eur"}
FORM = {"amount": "2500", "currency": "eur"}


def _keyed(key: str) -> dict[str, str]:
    return {"Authorization": "Bearer sk_test_sandbox", "Idempotency-Key": key}


async def test_the_same_key_and_parameters_get_the_stored_answer_marked_as_replayed(bench: Bench) -> None:
    first = await bench.http.post("/v1/payment_intents", data=FORM, headers=_keyed("create:1"))

    again = await bench.http.post("/v1/payment_intents", data=FORM, headers=_keyed("create:1"))

    assert again.text == first.text
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["original-request"] == first.headers["request-id"]
    assert (await bench.state())["payment_intents"] == {"requires_payment_method": 1}


async def test_the_same_key_with_other_parameters_is_an_idempotency_error(bench: Bench) -> None:
    await bench.sdk.v1.payment_intents.create_async(ORDER, {"idempotency_key": "create:1"})

    with pytest.raises(stripe.IdempotencyError) as caught:
        await bench.sdk.v1.payment_intents.create_async(ORDER | {"amount": 9}, {"idempotency_key": "create:1"})

    assert caught.value.http_status == 400


async def test_a_decline_is_stored_too(bench: Bench) -> None:
    intent = await bench.intent()
    confirm = bench.sdk.v1.payment_intents.confirm_async
    messages = []

    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            await confirm(intent.id, {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": "confirm:1"})
        messages.append(caught.value.http_body)

    assert messages[0] == messages[1]
    charges = await bench.sdk.v1.charges.list_async({"payment_intent": intent.id})
    assert len(charges.data) == 1


async def test_a_request_that_failed_validation_leaves_its_key_free(bench: Bench) -> None:
    bad: stripe.params.PaymentIntentCreateParams = {"amount": -1, "currency": "eur"}
    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.payment_intents.create_async(bad, {"idempotency_key": "create:1"})

    intent = await bench.sdk.v1.payment_intents.create_async(ORDER, {"idempotency_key": "create:1"})

    assert intent.amount == 2500


async def test_a_second_request_while_the_first_is_at_work_is_a_conflict(bench: Bench) -> None:
    await bench.faults(api={"latency_ms": 300})

    async def create() -> httpx.Response:
        return await bench.http.post("/v1/payment_intents", data=FORM, headers=_keyed("create:1"))

    answers = await asyncio.gather(create(), create())

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    conflict = max(answers, key=lambda answer: answer.status_code).json()["error"]
    assert conflict["code"] == "idempotency_key_in_use"
    assert (await bench.state())["payment_intents"] == {"requires_payment_method": 1}


async def test_the_sdk_retries_a_broken_connection_into_one_effect(bench: Bench) -> None:
    await bench.faults(api={"close_after_effect": {"next": 1, "match": "POST /v1/payment_intents"}})

    async with client_for(bench.url, retries=2) as patient:
        intent = await patient.v1.payment_intents.create_async(ORDER, {"idempotency_key": "create:1"})

    assert intent.status == "requires_payment_method"
    assert (await bench.state())["payment_intents"] == {"requires_payment_method": 1}


async def test_a_key_is_forgotten_after_a_day(bench: Bench) -> None:
    clock = [1_800_000_000.0]
    async with bench_of(bench.inbox, now=lambda: clock[0]) as own:
        first = await own.sdk.v1.payment_intents.create_async(ORDER, {"idempotency_key": "create:1"})

        clock[0] += 24 * 3600 + 1
        second = await own.sdk.v1.payment_intents.create_async(ORDER, {"idempotency_key": "create:1"})

    assert first.id != second.id
