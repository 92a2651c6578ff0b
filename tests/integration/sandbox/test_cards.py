"""What each test card does to a payment intent."""

import time

import pytest
import stripe

from stripe_sandbox.cards import CARDS, Card
from tests.integration.sandbox.conftest import Bench, bench_of, eventually

CARD_DATA = {"payment_method_data[type]": "card", "payment_method_data[card][cvc]": "123"}


def _card(number: str, *, year: int = 2099) -> dict[str, str]:
    year = min(year, time.gmtime().tm_year + 10)
    return CARD_DATA | {
        "payment_method_data[card][number]": number,
        "payment_method_data[card][exp_month]": "12",
        "payment_method_data[card][exp_year]": str(year),
    }


async def test_the_ordinary_card_takes_the_money_and_tells_so_in_order(bench: Bench) -> None:
    intent = await bench.intent(2500, metadata={"order_id": "ord_1"})

    paid = await bench.sdk.v1.payment_intents.confirm_async(
        intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}
    )

    assert (paid.status, paid.amount_received, paid.livemode) == ("succeeded", 2500, False)
    assert paid.metadata.to_dict() == {"order_id": "ord_1"}
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert (paid.latest_charge.amount_captured, paid.latest_charge.paid) == (2500, True)
    await bench.inbox.gets("payment_intent.succeeded")
    assert bench.inbox.types == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


async def test_a_declined_card_raises_a_card_error_and_leaves_the_intent_open_for_another_card(bench: Bench) -> None:
    intent = await bench.intent()

    with pytest.raises(stripe.CardError) as caught:
        await bench.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_chargeDeclined"})

    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert caught.value.error is not None
    assert caught.value.error.decline_code == "generic_decline"
    assert caught.value.error.payment_intent is not None
    after = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    assert (after.status, after.payment_method, after.amount_received) == ("requires_payment_method", None, 0)
    assert after.last_payment_error is not None
    assert after.last_payment_error.code == "card_declined"
    paid = await bench.sdk.v1.payment_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    await bench.inbox.gets("charge.failed", "payment_intent.payment_failed", "payment_intent.succeeded")


async def test_a_card_without_funds_says_so(bench: Bench) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await bench.paid(method="pm_card_chargeDeclinedInsufficientFunds")

    assert caught.value.error is not None
    assert caught.value.error.decline_code == "insufficient_funds"
    assert (await bench.state())["captured"] == {}


@pytest.mark.parametrize(("outcome", "status"), [("succeed", "succeeded"), ("fail", "requires_payment_method")])
async def test_a_card_that_asks_for_authentication_waits_for_the_guests_answer(
    bench: Bench, outcome: str, status: str
) -> None:
    intent = await bench.paid(method="pm_card_authenticationRequired")
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert intent.latest_charge is None

    await bench.switch(f"payment_intents/{intent.id}/authenticate", {"outcome": outcome})

    after = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    assert (after.status, after.next_action) == (status, None)
    event = "payment_intent.succeeded" if outcome == "succeed" else "payment_intent.payment_failed"
    await bench.inbox.gets("payment_intent.requires_action", event)
    if outcome == "fail":
        assert after.last_payment_error is not None
        assert after.last_payment_error.code == "payment_intent_authentication_failure"


async def test_the_authentication_page_is_shown_to_the_holder_of_the_client_secret_only(bench: Bench) -> None:
    intent = await bench.intent(
        confirm=True, payment_method="pm_card_authenticationRequired", return_url="https://hotel.example/back"
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    assert intent.next_action.redirect_to_url.url is not None

    page = await bench.http.get(intent.next_action.redirect_to_url.url)
    guessed = await bench.http.get("/v3/authenticate", params={"payment_intent": intent.id, "client_secret": "guess"})

    assert page.status_code == 200
    assert "no real money" in page.text
    assert 'data-return-url="https://hotel.example/back"' in page.text
    assert guessed.status_code == 404


async def test_a_slow_card_stays_processing_until_it_is_settled(bench: Bench) -> None:
    intent = await bench.paid(method="pm_card_processing")
    assert (intent.status, intent.amount_received) == ("processing", 0)

    await bench.switch(f"payment_intents/{intent.id}/settle", {"outcome": "succeed"})

    after = await bench.sdk.v1.payment_intents.retrieve_async(intent.id)
    assert (after.status, after.amount_received) == ("succeeded", 2500)
    await bench.inbox.gets("payment_intent.processing", "payment_intent.succeeded")


@pytest.mark.parametrize(
    ("method", "status"),
    [("pm_card_processing", "succeeded"), ("pm_card_processingFail", "requires_payment_method")],
)
async def test_a_slow_card_settles_by_itself_after_the_set_delay(bench: Bench, method: str, status: str) -> None:
    await bench.switch("settings", {"settle_after": 0.05}, method="PUT")

    intent = await bench.paid(method=method)

    async def settled() -> bool:
        return (await bench.sdk.v1.payment_intents.retrieve_async(intent.id)).status == status

    await eventually(settled)


async def test_the_dispute_card_is_paid_and_then_disputed(bench: Bench) -> None:
    intent = await bench.paid(method="pm_card_createDispute")

    assert intent.status == "succeeded"
    await bench.inbox.gets("payment_intent.succeeded", "charge.dispute.created")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.token)
async def test_a_card_typed_by_the_guest_does_what_its_token_does(bench: Bench, card: Card) -> None:
    typed, by_token = await bench.intent(), await bench.intent()

    secret = str(typed.client_secret)
    path = f"/v1/payment_intents/{typed.id}/confirm"
    first = await bench.as_browser("POST", path, client_secret=secret, **_card(card.number))
    path = f"/v1/payment_intents/{by_token.id}/confirm"
    secret = str(by_token.client_secret)
    second = await bench.as_browser("POST", path, client_secret=secret, payment_method=card.token)

    assert first.status_code == second.status_code
    assert _status(first.json()) == _status(second.json())


def _status(body: dict[str, object]) -> object:
    error = body.get("error")
    if isinstance(error, dict):
        return error["payment_intent"]["status"], error["decline_code"]
    return body["status"]


@pytest.mark.parametrize(
    ("number", "year", "code"),
    [
        ("4242424242424241", 2099, "incorrect_number"),
        ("4242424242424242", 2001, "invalid_expiry_year"),
        ("4111111111111111", 2099, "card_declined"),
    ],
)
async def test_a_wrong_expired_or_unknown_card_is_turned_down(bench: Bench, number: str, year: int, code: str) -> None:
    intent = await bench.intent()

    path = f"/v1/payment_intents/{intent.id}/confirm"
    secret = str(intent.client_secret)
    answer = await bench.as_browser("POST", path, client_secret=secret, **_card(number, year=year))

    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == code
    assert (await bench.sdk.v1.payment_intents.retrieve_async(intent.id)).status == "requires_payment_method"


async def test_time_comes_from_the_injected_clock_and_ids_from_the_injected_source(bench: Bench) -> None:
    counter = iter(range(1000))

    async with bench_of(bench.inbox, now=lambda: 1_800_000_000.7, new_id=lambda kind: f"{kind}_{next(counter)}") as own:
        intent = await own.intent()

    assert intent.created == 1_800_000_000
    assert intent.id.removeprefix("pi_").isdecimal()
    assert str(intent.client_secret).startswith(f"{intent.id}_secret_")
