"""Stripe's API through its SDK, with the answers a hand-written transport gives."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qs

import httpx
import pytest

from chassis.errors import is_transient
from contracts.ids import RefundId
from contracts.money import Money
from contracts.psp import CapturePspSession, ClosePspSession, CreatePspRefund, CreatePspSession
from psp_adapter.errors import Forbidden, PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.stripe_api import StripeApi
from psp_adapter.stripe_money import UnpayableAmountError
from tests.support.fake_stripe import ORDER_ID, PAYMENT_ID, FakeStripe, answering, error, intent, unreachable

CREATE = CreatePspSession(
    order_id=ORDER_ID,
    payment_id=PAYMENT_ID,
    session_no=2,
    amount=Money(amount=500, currency="ISK"),
)
REFUND = CreatePspRefund(
    order_id=ORDER_ID,
    payment_id=PAYMENT_ID,
    refund_id=RefundId("ref_1"),
    psp_reference="pi_1",
    amount=Money(amount=1500, currency="EUR"),
)
CLOSE = ClosePspSession(order_id=ORDER_ID, payment_id=PAYMENT_ID, session_no=2, psp_reference="pi_1")
CAPTURE = CapturePspSession(
    order_id=ORDER_ID,
    payment_id=PAYMENT_ID,
    session_no=2,
    psp_reference="pi_1",
    amount=Money(amount=1500, currency="EUR"),
)


async def test_a_session_is_opened_with_nothing_a_plain_intent_does_not_need() -> None:
    fake = answering(200, intent("requires_payment_method"))

    opened = await fake.api.create_session(CREATE)

    (request,) = fake.requests
    assert (request.method, request.url.path) == ("POST", "/v1/payment_intents")
    assert parse_qs(request.content.decode()) == {
        "amount": ["50000"],
        "currency": ["isk"],
        "metadata[order_id]": [ORDER_ID],
        "metadata[payment_id]": [PAYMENT_ID],
        "metadata[session_no]": ["2"],
        "metadata[bellhop_installation]": ["bellhop"],
    }
    assert (opened.id, opened.client_secret) == ("pi_1", "pi_1_secret_x")


async def test_an_intent_carries_its_description_and_the_suffix_of_the_card_statement() -> None:
    fake = answering(200, intent("requires_payment_method"))
    api = replace(fake.api, statement_descriptor_suffix="EXTRAS")

    await api.create_session(CREATE.model_copy(update={"description": "alpenhof: ord_1: 2 x Breakfast"}))

    (request,) = fake.requests
    sent = parse_qs(request.content.decode())
    assert sent["description"] == ["alpenhof: ord_1: 2 x Breakfast"]
    assert sent["statement_descriptor_suffix"] == ["EXTRAS"]


async def test_a_session_that_was_asked_for_with_another_suffix_is_found() -> None:
    asked_before = intent("requires_payment_method") | {
        "metadata": {
            "order_id": ORDER_ID,
            "payment_id": PAYMENT_ID,
            "session_no": "2",
            "bellhop_installation": "bellhop",
        }
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(400, json={"error": {"type": "idempotency_error", "message": "Other parameters."}})
        return httpx.Response(200, json={"object": "list", "has_more": False, "data": [asked_before]})

    fake = FakeStripe(answer)

    opened = await replace(fake.api, statement_descriptor_suffix="EXTRAS").create_session(CREATE)

    assert opened.id == "pi_1"
    assert [request.method for request in fake.requests] == ["POST", "GET"]


def _refusing_with(receipt: dict[str, object]) -> FakeStripe:
    """Stripe as it refuses a PaymentIntent with a `receipt_email`, and knows of none before."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"object": "list", "has_more": False, "data": []})
        if b"receipt_email" in request.content:
            return httpx.Response(400, json={"error": receipt})
        return httpx.Response(200, json=intent("requires_payment_method"))

    return FakeStripe(answer)


WITH_RECEIPT = CREATE.model_copy(update={"sealed_receipt_email": "sealed"})


async def test_a_session_is_opened_with_the_address_for_a_receipt() -> None:
    fake = answering(200, intent("requires_payment_method"))

    await fake.api.create_session(WITH_RECEIPT, "anna@b.example")

    (request,) = fake.requests
    assert parse_qs(request.content.decode())["receipt_email"] == ["anna@b.example"]
    assert request.headers["idempotency-key"] == f"session:{PAYMENT_ID}:2"


@pytest.mark.parametrize(
    "refusal",
    [
        {
            "type": "invalid_request_error",
            "code": "email_invalid",
            "param": "receipt_email",
            "message": "Invalid email address: anna@b.example",
        },
        {"type": "invalid_request_error", "message": "anna@b.example is not for us"},
        {"type": "idempotency_error", "message": "Other parameters."},
    ],
    ids=["invalid", "no reason", "first asked for without it"],
)
async def test_a_payment_goes_on_without_a_receipt_that_stripe_refuses(
    refusal: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    fake = _refusing_with(refusal)

    first = await fake.api.create_session(WITH_RECEIPT, "anna@b.example")
    again = await fake.api.create_session(WITH_RECEIPT, "anna@b.example")

    assert first.id == again.id == "pi_1"
    asked = [request.headers["idempotency-key"] for request in fake.requests if request.method == "POST"]
    assert asked == [f"session:{PAYMENT_ID}:2", f"session:{PAYMENT_ID}:2:no-receipt"] * 2
    assert "anna@b.example" not in capsys.readouterr().out


async def test_a_refusal_that_is_not_about_the_receipt_comes_again_without_it_and_cannot_quote_it() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"object": "list", "has_more": False, "data": []})
        said = f"No: {parse_qs(request.content.decode()).get('receipt_email')}"
        return httpx.Response(400, json={"error": {"type": "invalid_request_error", "code": "x", "message": said}})

    with pytest.raises(PspBrokenError) as refused:
        await FakeStripe(answer).api.create_session(WITH_RECEIPT, "anna@b.example")

    assert "anna@b.example" not in str(refused.value)


async def test_a_session_whose_receipt_can_no_longer_be_unsealed_is_looked_for_before_it_is_opened() -> None:
    metadata = {"order_id": ORDER_ID, "payment_id": PAYMENT_ID, "session_no": "2", "bellhop_installation": "bellhop"}
    opened_before = intent("requires_payment_method") | {"metadata": metadata}
    fake = answering(200, {"object": "list", "has_more": False, "data": [opened_before]})

    opened = await fake.api.create_session(WITH_RECEIPT, None)

    assert opened.id == "pi_1"
    assert [request.method for request in fake.requests] == ["GET"]


async def test_the_idempotency_key_comes_from_the_business() -> None:
    fake = answering(200, intent("requires_payment_method"))

    await fake.api.create_session(CREATE)
    await fake.api.create_session(CREATE)

    assert [request.headers["idempotency-key"] for request in fake.requests] == [f"session:{PAYMENT_ID}:2"] * 2


async def test_an_amount_stripe_cannot_charge_never_leaves() -> None:
    fake = answering(200, intent("requires_payment_method"))

    with pytest.raises(UnpayableAmountError):
        await fake.api.create_session(CREATE.model_copy(update={"amount": Money(amount=1, currency="KWD")}))

    assert fake.requests == []


@pytest.mark.parametrize("status", ["canceled", "requires_action"])
async def test_closing_cancels_the_intent_and_returns_it_as_it_is_then(status: str) -> None:
    fake = answering(200, intent(status))

    opened = await fake.api.cancel_session(CLOSE)

    (request,) = fake.requests
    assert request.url.path == "/v1/payment_intents/pi_1/cancel"
    assert opened.status == status


@pytest.mark.parametrize("status", ["succeeded", "processing", "canceled"])
async def test_closing_what_cannot_be_cancelled_returns_what_became_of_it(status: str) -> None:
    fake = error(400, code="payment_intent_unexpected_state", payment_intent=intent(status))

    opened = await fake.api.cancel_session(CLOSE)

    assert opened.status == status


async def test_a_session_that_is_captured_later_is_opened_so() -> None:
    fake = answering(200, intent("requires_payment_method"))

    await fake.api.create_session(CREATE.model_copy(update={"is_captured_later": True}))

    (request,) = fake.requests
    assert parse_qs(request.content.decode())["capture_method"] == ["manual"]


async def test_capturing_names_the_amount_and_has_one_key_for_a_session_and_an_amount() -> None:
    fake = answering(200, intent("succeeded"))

    captured = await fake.api.capture_session(CAPTURE)

    (request,) = fake.requests
    assert request.url.path == "/v1/payment_intents/pi_1/capture"
    assert parse_qs(request.content.decode()) == {"amount_to_capture": ["1500"]}
    assert request.headers["idempotency-key"] == f"capture:{PAYMENT_ID}:2:1500"
    assert captured.status == "succeeded"


@pytest.mark.parametrize("status", ["succeeded", "canceled", "requires_payment_method"])
@pytest.mark.parametrize("code", ["payment_intent_unexpected_state", "charge_expired_for_capture"])
async def test_capturing_what_cannot_be_captured_returns_what_became_of_it(code: str, status: str) -> None:
    fake = error(400, code=code, payment_intent=intent(status))

    assert (await fake.api.capture_session(CAPTURE)).status == status


async def test_a_capture_that_the_bank_refuses_is_followed_by_a_look_at_the_intent() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=intent("requires_payment_method"))
        return httpx.Response(402, json={"error": {"type": "card_error", "code": "card_declined", "message": "No."}})

    assert (await FakeStripe(answer).api.capture_session(CAPTURE)).status == "requires_payment_method"


async def test_an_intent_we_hold_that_stripe_does_not_know_is_no_decision_about_the_payment() -> None:
    fake = error(404, code="resource_missing")

    for call in (
        fake.api.cancel_session(CLOSE),
        fake.api.capture_session(CAPTURE),
        fake.api.retrieve_session("pi_1", held=True),
        fake.api.create_refund(REFUND),
    ):
        with pytest.raises(PspForbiddenError) as raised:
            await call

        assert raised.value.forbidden is Forbidden.UNKNOWN_OBJECT
        assert is_transient(raised.value)


LIVE = intent("succeeded") | {"livemode": True}


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.create_session(CREATE),
        lambda api: api.cancel_session(CLOSE),
        lambda api: api.retrieve_session("pi_1", held=True),
        lambda api: api.find_session("pi_1"),
        lambda api: api.find("/v1/payment_intents/pi_1"),
        lambda api: api.related_object({"related_object": {"url": "/v1/payment_intents/pi_1"}}),
    ],
    ids=["create", "cancel", "retrieve", "find", "the ledger's", "a thin event's"],
)
async def test_an_answer_of_the_other_mode_than_the_key_is_no_decision_about_the_payment(
    call: Callable[[StripeApi], Awaitable[object]],
) -> None:
    with pytest.raises(PspForbiddenError) as raised:
        await call(answering(200, LIVE).api)

    assert raised.value.forbidden is Forbidden.MODE
    assert "pi_1 is of live mode, and STRIPE_API_KEY is a test key" in str(raised.value)


@pytest.mark.parametrize("kind", ["payment_intent", "refund", "dispute", "charge", "balance_transaction"])
async def test_a_list_with_an_object_of_the_other_mode_is_not_read_on(kind: str) -> None:
    ours = {"id": "x_1", "object": kind, "livemode": False}
    fake = answering(200, {"object": "list", "has_more": False, "data": [ours, ours | {"livemode": True}]})

    with pytest.raises(PspForbiddenError):
        [_ async for _ in fake.api.each("/v1/things")]


async def test_a_key_whose_prefix_says_no_mode_has_answers_of_both() -> None:
    api = replace(answering(200, LIVE).api, livemode=None)

    assert (await api.retrieve_session("pi_1")).livemode


@pytest.mark.parametrize(
    ("modes", "is_over"), [([], True), ([False], True), ([True, False], True), ([True], False), ([True, True], False)]
)
async def test_the_other_mode_is_over_once_the_account_shows_an_intent_of_ours(
    modes: list[bool], is_over: bool
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/payment_intents":
            data = [intent("succeeded") | {"livemode": mode} for mode in modes]
            return httpx.Response(200, json={"object": "list", "has_more": False, "data": data})
        return httpx.Response(200, json=LIVE)

    with pytest.raises(PspForbiddenError) as raised:
        await FakeStripe(answer).api.retrieve_session("pi_1", held=True)

    assert await raised.value.is_over() is is_over


async def test_an_intent_of_an_event_that_stripe_does_not_know_is_refused() -> None:
    with pytest.raises(PspBrokenError):
        await error(404, code="resource_missing").api.retrieve_session("pi_of_another_account")


@pytest.mark.parametrize(
    "fake",
    [
        unreachable(httpx.ConnectError),
        unreachable(httpx.ReadTimeout),
        error(429, type="invalid_request_error", code="rate_limit"),
        error(409, type="idempotency_error", code="idempotency_key_in_use"),
        error(500, type="api_error"),
        error(503, type="api_error"),
        FakeStripe(lambda _request: httpx.Response(502, text="<html>Bad gateway</html>")),
    ],
    ids=["no connection", "timeout", "rate limit", "same key running", "500", "503", "a proxy's page"],
)
async def test_what_may_heal_is_tried_again(fake: FakeStripe) -> None:
    for call in (fake.api.create_session(CREATE), fake.api.cancel_session(CLOSE)):
        with pytest.raises(PspUnavailableError) as raised:
            await call

        assert is_transient(raised.value)
        assert PAYMENT_ID in str(raised.value)


@pytest.mark.parametrize(
    ("fake", "code"),
    [
        (error(400, code="parameter_unknown"), "parameter_unknown"),
        (error(402, type="card_error", code="amount_too_small"), "amount_too_small"),
    ],
    ids=["a wrong parameter", "refused"],
)
async def test_what_would_be_refused_again_is_broken_and_carries_its_code(fake: FakeStripe, code: str) -> None:
    with pytest.raises(PspBrokenError) as raised:
        await fake.api.create_session(CREATE)

    assert not is_transient(raised.value)
    assert raised.value.code == code


NOT_OURS_TO_ASK = {
    Forbidden.KEY: error(401),
    Forbidden.RIGHT: error(403),
    Forbidden.IDEMPOTENCY_KEY: error(400, type="idempotency_error"),
}


@pytest.mark.parametrize("reason", NOT_OURS_TO_ASK)
async def test_a_refusal_of_our_configuration_is_no_decision_about_the_payment(reason: Forbidden) -> None:
    fake = NOT_OURS_TO_ASK[reason]

    for call in (fake.api.create_session(CREATE), fake.api.create_refund(REFUND)):
        with pytest.raises(PspForbiddenError) as raised:
            await call

        assert raised.value.forbidden is reason
        assert is_transient(raised.value)


async def test_a_refused_call_is_asked_again_without_any_effect_until_the_key_is_right() -> None:
    wrong = {"key": True}

    def answer(request: httpx.Request) -> httpx.Response:
        status = 401 if wrong["key"] else 400
        return httpx.Response(status, json={"error": {"type": "invalid_request_error", "message": "No."}})

    stripe = FakeStripe(answer)
    with pytest.raises(PspForbiddenError) as raised:
        await stripe.api.create_session(CREATE)

    meanwhile = await raised.value.is_over()
    wrong["key"] = False
    afterwards = await raised.value.is_over()

    assert (meanwhile, afterwards) == (False, True)
    assert {request.url.path for request in stripe.requests} == {"/v1/payment_intents"}
    assert [request.content for request in stripe.requests[1:]] == [b"", b""]


@pytest.mark.parametrize(("metadata", "is_ours"), [({"order_id": "o", "payment_id": "p"}, True), ({}, False)])
async def test_an_unknown_id_is_an_outage_only_while_the_account_knows_no_payment_of_ours(
    metadata: dict[str, str], is_ours: bool
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/payment_intents":
            listed = {**intent("succeeded"), "id": "pi_other", "metadata": metadata}
            page = {"object": "list", "url": "/v1/payment_intents", "has_more": False, "data": [listed]}
            return httpx.Response(200, json=page)
        missing = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such payment_intent"}
        return httpx.Response(404, json={"error": missing})

    stripe = FakeStripe(answer)
    with pytest.raises(PspForbiddenError) as raised:
        await stripe.api.cancel_session(CLOSE)

    assert await raised.value.is_over() is is_ours


async def test_the_sandbox_is_asked_at_its_own_address() -> None:
    fake = answering(200, intent("canceled"))
    api = fake.connected(base="http://127.0.0.1:12111")

    await api.cancel_session(CLOSE)

    assert str(fake.requests[0].url) == "http://127.0.0.1:12111/v1/payment_intents/pi_1/cancel"


def _refund(refund_id: str) -> dict[str, object]:
    return {
        "id": f"re_{refund_id}",
        "object": "refund",
        "amount": 1500,
        "currency": "eur",
        "status": "succeeded",
        "metadata": {"refund_id": refund_id},
    }


def _refunds_are(*pages: tuple[str, ...]) -> FakeStripe:
    """Refunds of the payment by page, each by the `refund_id` in its metadata."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            after = request.url.params.get("starting_after")
            page = 0 if after is None else 1 + [f"re_{names[-1]}" for names in pages].index(after)
            data = [_refund(refund_id) for refund_id in pages[page]] if pages else []
            more = page + 1 < len(pages)
            return httpx.Response(200, json={"object": "list", "url": "/v1/refunds", "has_more": more, "data": data})
        return httpx.Response(200, json=_refund("ref_1"))

    return FakeStripe(answer)


async def test_a_refund_that_was_never_made_is_made_under_a_key_of_its_own() -> None:
    stripe = _refunds_are(("ref_of_another",))

    await stripe.api.create_refund(REFUND)

    [looked, made] = stripe.requests
    assert (looked.method, looked.url.params["payment_intent"]) == ("GET", "pi_1")
    assert (made.method, made.headers["idempotency-key"]) == ("POST", "refund:ref_1")


@pytest.mark.parametrize("pages", [(("ref_of_another", "ref_1"),), (("ref_2", "ref_3"), ("ref_4", "ref_1"))], ids=str)
async def test_a_refund_that_was_made_before_is_found_on_whatever_page_and_not_made_again(
    pages: tuple[tuple[str, ...], ...],
) -> None:
    stripe = _refunds_are(*pages)

    found = await stripe.api.create_refund(REFUND.model_copy(update={"look_first": False}))

    assert found.metadata["refund_id"] == "ref_1"
    assert {request.method for request in stripe.requests} == {"GET"}


@pytest.mark.parametrize("status", [401, 503])
async def test_what_stripe_says_of_a_key_is_passed_on_without_the_key(status: int) -> None:
    key = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
    fake = error(status, message=f"Invalid API Key provided: {key}")

    with pytest.raises((PspForbiddenError, PspUnavailableError)) as raised:
        await fake.api.create_session(CREATE)

    assert "Invalid API Key provided" in str(raised.value)
    assert key not in str(raised.value)


class Storing:
    """Stripe that has stored a 500 under the first keys, and repeats it."""

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self.keys: list[str] = []
        self.opened: list[dict[str, object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            page = {"object": "list", "url": request.url.path, "has_more": False, "data": self.opened}
            return httpx.Response(200, json=page)
        self.keys.append(request.headers["idempotency-key"])
        if len(self.keys) <= self._failures:
            body = {"error": {"type": "api_error", "message": "An unknown error occurred"}}
            return httpx.Response(500, json=body, headers={"Idempotent-Replayed": "true"})
        is_refund = request.url.path == "/v1/refunds"
        return httpx.Response(200, json=_refund("ref_1") if is_refund else intent("requires_payment_method"))


async def test_a_failure_that_stripe_stored_under_a_key_is_gone_around_by_the_next_key() -> None:
    opening, refunding = Storing(2), Storing(1)

    await FakeStripe(opening).api.create_session(CREATE)
    await FakeStripe(refunding).api.create_refund(REFUND)

    assert opening.keys == [f"session:{PAYMENT_ID}:2", f"session:{PAYMENT_ID}:2~2", f"session:{PAYMENT_ID}:2~3"]
    assert refunding.keys == ["refund:ref_1", "refund:ref_1~2"]


async def test_a_session_that_a_stored_failure_has_opened_all_the_same_is_found_instead_of_opened_again() -> None:
    opening = Storing(1)
    metadata = {"order_id": ORDER_ID, "payment_id": PAYMENT_ID, "bellhop_installation": "bellhop"}
    opening.opened = [
        {**intent("requires_payment_method"), "id": "pi_earlier", "metadata": {**metadata, "session_no": "1"}},
        {**intent("requires_payment_method"), "id": "pi_this", "metadata": {**metadata, "session_no": "2"}},
    ]

    found = await FakeStripe(opening).api.create_session(CREATE)

    assert found.id == "pi_this"
    assert opening.keys == [f"session:{PAYMENT_ID}:2"]


async def test_a_failure_that_is_not_stored_is_tried_again_under_the_same_key_only() -> None:
    fake = error(500, type="api_error")

    with pytest.raises(PspUnavailableError):
        await fake.api.create_session(CREATE)

    assert [request.headers["idempotency-key"] for request in fake.requests] == [f"session:{PAYMENT_ID}:2"]
