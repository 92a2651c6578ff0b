"""Payment intents: their life cycle and what each kind of caller may do."""

import json

import pytest
import stripe

from tests.integration.sandbox.conftest import Bench, client_for


async def test_an_intent_is_updated_and_its_metadata_merged(bench: Bench) -> None:
    intent = await bench.intent(metadata={"order_id": "ord_1", "note": "x"})

    after = await bench.sdk.v1.payment_intents.update_async(
        intent.id, {"amount": 3000, "metadata": {"note": "", "payment_id": "pay_1"}}
    )

    assert after.amount == 3000
    assert after.metadata.to_dict() == {"order_id": "ord_1", "payment_id": "pay_1"}


async def test_the_address_for_a_receipt_is_kept_and_one_that_is_no_address_refused(bench: Bench) -> None:
    intent = await bench.intent(receipt_email="anna@b.example")

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.intent(receipt_email="anna")

    assert intent.receipt_email == "anna@b.example"
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, "email_invalid", "receipt_email")


async def test_an_unpaid_intent_is_cancelled_once(bench: Bench) -> None:
    intent = await bench.intent()

    cancelled = await bench.sdk.v1.payment_intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"})

    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    await bench.inbox.gets("payment_intent.canceled")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.payment_intents.cancel_async(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize("verb", ["cancel", "confirm"])
async def test_a_paid_intent_can_be_neither_cancelled_nor_confirmed_and_the_error_shows_it(
    bench: Bench, verb: str
) -> None:
    intent = await bench.paid()
    intents = bench.sdk.v1.payment_intents

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await (intents.cancel_async(intent.id) if verb == "cancel" else intents.confirm_async(intent.id))

    assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")
    assert caught.value.error is not None
    assert caught.value.error.payment_intent is not None
    assert caught.value.error.payment_intent.status == "succeeded"
    assert caught.value.error.payment_intent.amount_received == 2500


async def test_a_processing_or_cancelled_intent_cannot_be_confirmed_or_paid(bench: Bench) -> None:
    processing = await bench.paid(method="pm_card_processing")
    cancelled = await bench.intent()
    await bench.sdk.v1.payment_intents.cancel_async(cancelled.id)

    for intent in (processing, cancelled):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await bench.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
        assert caught.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError):
        await bench.sdk.v1.payment_intents.cancel_async(processing.id)


async def test_an_intent_without_a_payment_method_cannot_be_confirmed(bench: Bench) -> None:
    intent = await bench.intent()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.payment_intents.confirm_async(intent.id)

    assert caught.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": "eur"}, "amount", "parameter_missing"),
        ({"amount": 100}, "currency", "parameter_missing"),
        ({"amount": 0, "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": "12.50", "currency": "eur"}, "amount", "parameter_invalid_integer"),
        ({"amount": 100, "currency": "eur", "colour": "red"}, "colour", "parameter_unknown"),
        ({"amount": 100, "currency": "euro"}, "currency", None),
        ({"amount": 100, "currency": "eur", "payment_method": "pm_none"}, "payment_method", "resource_missing"),
    ],
)
async def test_bad_parameters_are_named_in_the_error(
    bench: Bench, params: dict[str, object], param: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.payment_intents.create_async(params)  # type: ignore[arg-type]  # wrong on purpose

    assert (caught.value.http_status, caught.value.param, caught.value.code) == (400, param, code)
    assert (await bench.state())["payment_intents"] == {}


async def test_an_intent_that_does_not_exist_is_404(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bench.sdk.v1.payment_intents.retrieve_async("pi_none")

    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


async def test_a_wrong_secret_key_is_an_authentication_error(bench: Bench) -> None:
    async with client_for(bench.url, key="sk_test_wrong") as stranger:
        with pytest.raises(stripe.AuthenticationError) as caught:
            await stranger.v1.payment_intents.list_async()

    assert caught.value.http_status == 401
    assert (await bench.http.get("/v1/events")).status_code == 401


async def test_a_publishable_key_may_only_confirm_and_retrieve_with_the_client_secret(bench: Bench) -> None:
    intent = await bench.intent(metadata={"order_id": "ord_1"})
    path, secret = f"/v1/payment_intents/{intent.id}", str(intent.client_secret)

    created = await bench.as_browser("POST", "/v1/payment_intents", amount="1", currency="eur")
    cancelled = await bench.as_browser("POST", f"{path}/cancel", client_secret=secret)
    listed = await bench.as_browser("GET", "/v1/events")
    without_secret = await bench.as_browser("GET", path)
    guessed = await bench.as_browser("GET", path, client_secret=f"{intent.id}_secret_guess")
    retrieved = await bench.as_browser("GET", path, client_secret=secret)
    confirmed = await bench.as_browser("POST", f"{path}/confirm", client_secret=secret, payment_method="pm_card_visa")

    for refused in (created, cancelled, listed, without_secret):
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "secret_key_required")
    assert guessed.status_code == 400
    assert retrieved.json()["status"] == "requires_payment_method"
    assert "metadata" not in retrieved.json()
    assert confirmed.json()["status"] == "succeeded"
    assert confirmed.headers["access-control-allow-origin"] == "*"


async def test_a_decline_shows_a_browser_no_more_of_the_intent_than_a_retrieval_does(bench: Bench) -> None:
    intent = await bench.intent(metadata={"order_id": "ord_1"})

    path = f"/v1/payment_intents/{intent.id}/confirm"
    secret = str(intent.client_secret)
    answer = await bench.as_browser("POST", path, client_secret=secret, payment_method="pm_card_chargeDeclined")

    shown = answer.json()["error"]["payment_intent"]
    assert shown["status"] == "requires_payment_method"
    assert "metadata" not in shown


async def test_a_browser_may_ask_from_any_origin_before_it_calls(bench: Bench) -> None:
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }

    answer = await bench.http.options("/v1/payment_intents/pi_1/confirm", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_card_number_is_kept_nowhere(bench: Bench) -> None:
    intent = await bench.intent()
    data = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 40, "cvc": "987"}}

    params: stripe.params.PaymentIntentConfirmParams = {"payment_method_data": data}  # type: ignore[typeddict-item]
    await bench.sdk.v1.payment_intents.confirm_async(intent.id, params)

    events = await bench.http.get("/v1/events", headers={"Authorization": "Bearer sk_test_sandbox"})
    assert "4242424242424242" not in json.dumps(events.json())
    charges = await bench.sdk.v1.charges.list_async({"payment_intent": intent.id})
    assert charges.data[0].payment_method_details is not None
    assert charges.data[0].payment_method_details.card is not None
    assert charges.data[0].payment_method_details.card.last4 == "4242"
