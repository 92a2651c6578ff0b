"""The PSP adapter's handlers on its queue, and its webhook over HTTP."""

import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe
from cryptography.fernet import Fernet
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.personal_data import Erasure
from chassis.runtime.clock import SharedClock
from chassis.seal import Seal
from contracts.money import Money
from contracts.psp import (
    ClosePspSession,
    CreatePspRefund,
    CreatePspSession,
    PspOutcomeUnknown,
    PspPaymentCanceled,
    PspPaymentSucceeded,
    PspRefundRefused,
    PspSessionCreated,
    PspSessionFailed,
    RetrievePspSession,
)
from contracts.topology import PSP_COMMANDS
from psp_adapter.accounts import Accounts
from psp_adapter.errors import PspUnavailableError
from psp_adapter.event_backfill import EventBackfill
from psp_adapter.event_parking import EventParking
from psp_adapter.handlers import TRIES, AdapterHandlers
from psp_adapter.stripe_objects import INSTALLATION
from psp_adapter.webhook import MAX_BODY, Webhook
from tests.component.bench import Bench, DeafBus
from tests.support import payments as given
from tests.support.fake_stripe import FakeStripe, answering, error, intent, unreachable

SEAL = Seal(SecretStr(Fernet.generate_key().decode()))
CREATE = CreatePspSession(
    order_id=given.ORDER_ID,
    payment_id=given.PAYMENT_ID,
    session_no=1,
    amount=given.AMOUNT,
)
RETRIEVE = RetrievePspSession(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, psp_reference=given.REFERENCE)
CLOSE = ClosePspSession(
    order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, session_no=1, psp_reference=given.REFERENCE
)
REFUND = CreatePspRefund(
    order_id=given.ORDER_ID,
    payment_id=given.PAYMENT_ID,
    refund_id=given.REFUND_ID,
    psp_reference=given.REFERENCE,
    amount=Money(amount=1000, currency="ISK"),
)
LIVE = intent("succeeded") | {"livemode": True}


def handlers_of(bench: Bench, fake: FakeStripe) -> AdapterHandlers:
    """As the service's app builds them."""
    parking = EventParking(bench.bus, bench.metrics)
    accounts = Accounts.only(fake.api)
    return AdapterHandlers(accounts, bench.bus, SEAL, EventBackfill(accounts, bench.bus, parking))


async def _taking(
    command: CreatePspSession | ClosePspSession | CreatePspRefund | RetrievePspSession, fake: FakeStripe
) -> Bench:
    bench = Bench("psp-adapter")
    handlers = handlers_of(bench, fake)
    bench.consume(PSP_COMMANDS, handlers.commands())
    async with bench.running():
        await bench.deliver(PSP_COMMANDS, command, reply_to=None)
    return bench


def test_the_handlers_take_what_the_queue_binds_and_nothing_else() -> None:
    handlers = handlers_of(Bench("psp-adapter"), answering(200, {}))

    assert {kind.wire_kind() for kind in handlers.commands()} == {bound.routing_key for bound in PSP_COMMANDS.bindings}


async def test_an_opened_session_is_reported_with_its_secret_sealed() -> None:
    bench = await _taking(CREATE, answering(200, intent("requires_payment_method")))

    (published,) = bench.published
    emitted = published.message
    assert isinstance(emitted, PspSessionCreated)
    assert (emitted.psp_reference, emitted.session_no, emitted.livemode) == ("pi_1", 1, False)
    assert b"pi_1_secret_x" not in published.body
    assert SEAL.open(emitted.sealed_client_secret) == "pi_1_secret_x"
    assert (published.message_id, published.correlation_id) == ("m-1.psp.pi_1", "c-1")


async def test_the_receipt_goes_to_the_address_in_the_command() -> None:
    fake = answering(200, intent("requires_payment_method"))
    sealed = SEAL.close("anna@b.example")

    bench = await _taking(CREATE.model_copy(update={"sealed_receipt_email": sealed}), fake)

    (request,) = fake.requests
    assert b"receipt_email=anna%40b.example" in request.content
    (published,) = bench.published
    assert isinstance(published.message, PspSessionCreated)
    assert b"anna" not in published.body


async def test_an_address_sealed_with_a_key_that_is_gone_costs_the_receipt_and_not_the_payment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gone = Seal(SecretStr(Fernet.generate_key().decode())).close("anna@b.example")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"object": "list", "has_more": False, "data": []})
        return httpx.Response(200, json=intent("requires_payment_method"))

    fake = FakeStripe(answer)

    bench = await _taking(CREATE.model_copy(update={"sealed_receipt_email": gone}), fake)

    (emitted,) = bench.sent
    assert isinstance(emitted, PspSessionCreated)
    (created,) = [request for request in fake.requests if request.method == "POST"]
    assert b"receipt_email" not in created.content
    assert capsys.readouterr().out.count("psp.no_receipt") == 1


async def test_a_request_that_has_forgotten_its_address_is_not_taken_for_one_without_under_the_same_key() -> None:
    """A dead letter that was erased, and is replayed: the PSP may have had the request with the address."""
    ours = {"order_id": given.ORDER_ID, "payment_id": given.PAYMENT_ID, "session_no": "1"}
    opened = intent("requires_payment_method") | {"metadata": ours | {INSTALLATION: "bellhop"}}
    sent = CREATE.model_copy(update={"sealed_receipt_email": SEAL.close("anna@b.example")})
    letter = Erasure("guest-anna", "alpenhof", "erased-1").of(sent.model_dump(mode="json"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"object": "list", "has_more": False, "data": [opened]})
        return httpx.Response(200, json=opened)

    fake = FakeStripe(answer)

    bench = await _taking(CreatePspSession.model_validate(letter), fake)

    assert [request.method for request in fake.requests] == ["GET"]
    (emitted,) = bench.sent
    assert isinstance(emitted, PspSessionCreated)
    assert "b.example" not in str(letter)


async def test_a_session_stripe_refuses_is_reported_as_a_fact() -> None:
    bench = await _taking(CREATE, error(400, code="parameter_unknown"))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspSessionFailed)
    assert emitted.code == "parameter_unknown"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_tells_the_payment_nothing(status: int) -> None:
    bench = await _taking(CREATE, error(status))

    (retry,) = bench.published
    assert (retry.exchange, retry.headers["error_type"]) == ("retry.1s", "PspForbiddenError")


@pytest.mark.parametrize("attempt", [1, TRIES])
async def test_an_answer_of_the_other_mode_tells_the_payment_only_that_nothing_is_known(attempt: int) -> None:
    fake = answering(200, intent("requires_payment_method") | {"livemode": True})
    bench = Bench("psp-adapter")
    bench.consume(PSP_COMMANDS, handlers_of(bench, fake).commands())

    async with bench.running():
        await bench.deliver(PSP_COMMANDS, CREATE, reply_to=None, headers={"attempt": attempt})

    (published,) = bench.published
    if attempt < TRIES:
        assert (published.exchange, published.headers["error_type"]) == ("retry.1s", "PspForbiddenError")
    else:
        assert isinstance(published.message, PspOutcomeUnknown)
        assert published.message.is_refused
        assert "live mode" in published.message.detail


async def test_no_money_goes_back_of_an_intent_of_the_other_mode() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        refunds = {"object": "list", "has_more": False, "data": []}
        return httpx.Response(200, json=refunds if request.url.path == "/v1/refunds" else LIVE)

    fake = FakeStripe(answer)

    bench = await _taking(REFUND, fake)

    (retry,) = bench.published
    assert retry.exchange == "retry.1s"
    assert [request for request in fake.requests if request.method == "POST"] == []


async def test_an_amount_stripe_cannot_charge_is_reported_as_a_fact() -> None:
    command = CREATE.model_copy(update={"amount": Money(amount=1, currency="KWD")})

    bench = await _taking(command, answering(200, intent("requires_payment_method")))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspSessionFailed)
    assert emitted.code == "unpayable_amount"


@pytest.mark.parametrize("command", [CREATE, CLOSE], ids=lambda command: command.kind)
async def test_a_stripe_that_is_away_is_tried_again(command: CreatePspSession | ClosePspSession) -> None:
    bench = await _taking(command, unreachable(httpx.ConnectError))

    (retry,) = bench.published
    assert (retry.exchange, retry.headers["error_type"]) == ("retry.1s", "PspUnavailableError")


async def test_a_stripe_that_is_away_opens_the_breaker_although_payments_are_told_that_nothing_is_known() -> None:
    bench = Bench("psp-adapter")
    handlers = handlers_of(bench, unreachable(httpx.ReadTimeout))
    breaker = Breaker(
        "the PSP",
        PspUnavailableError,
        handlers.accounts.answer,
        bench.bus.consuming,
        bench.metrics,
        failure_threshold=4,
    )
    bench.consume(PSP_COMMANDS, handlers.commands(), breaker)

    async with bench.running():
        for attempt in (1, TRIES, 1, TRIES):
            await bench.deliver(PSP_COMMANDS, CREATE, reply_to=None, headers={"attempt": attempt})

    assert breaker.is_open
    assert [message for message in bench.sent if isinstance(message, PspOutcomeUnknown)] != []


async def test_a_fact_is_noted_with_the_calls_that_led_to_it() -> None:
    bench = await _taking(CREATE, answering(200, intent("requires_payment_method")))

    (emitted,) = bench.published
    assert re.fullmatch(r"[0-9:.]{12} POST /v1/payment_intents 200 in \d+ ms, pi_1", emitted.headers["psp"])


async def test_a_silent_stripe_is_noted_on_its_copy_in_the_log() -> None:
    bench = await _taking(CREATE, unreachable(httpx.ReadTimeout))

    (copy,) = bench.failures
    assert re.fullmatch(r"[0-9:.]{12} POST /v1/payment_intents not answered in \d+ ms", copy.headers["psp"])
    assert "psp" not in bench.published[0].headers


async def test_a_cancelled_session_is_reported() -> None:
    bench = await _taking(CLOSE, answering(200, intent("canceled")))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspPaymentCanceled)


@pytest.mark.parametrize("command", [CLOSE, RETRIEVE], ids=["close", "retrieve"])
async def test_a_session_that_stripe_will_not_close_or_show_is_reported_and_not_parked(
    command: ClosePspSession | RetrievePspSession,
) -> None:
    bench = await _taking(command, error(400, code="payment_intent_unexpected_state"))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspOutcomeUnknown)
    assert (emitted.asked, emitted.is_refused) == (command.kind, True)


async def test_a_session_that_was_paid_before_it_could_be_closed_is_reported_as_paid() -> None:
    paid = {**intent("succeeded"), "amount_received": 50_000}
    bench = await _taking(CLOSE, error(400, code="payment_intent_unexpected_state", payment_intent=paid))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspPaymentSucceeded)


async def test_a_refund_of_an_amount_stripe_cannot_move_is_reported_as_refused_and_not_parked() -> None:
    refund = REFUND.model_copy(update={"amount": Money(amount=5, currency="KWD")})

    bench = await _taking(refund, answering(200, intent("succeeded")))

    (emitted,) = bench.sent
    assert isinstance(emitted, PspRefundRefused)
    assert "KWD" in emitted.detail


# The webhook

SECRET = "whsec_ours"


def _event(event_type: str = "payment_intent.succeeded", **changes: Any) -> dict[str, Any]:
    paid = {**intent("succeeded"), "amount_received": 50_000, **changes}
    return {"id": "evt_1", "type": event_type, "created": 1_782_896_400, "data": {"object": paid}}


def _refund_event() -> dict[str, Any]:
    refund = {"id": "re_1", "amount": 990, "currency": "eur", "status": "succeeded", "payment_intent": "pi_foreign"}
    return {"id": "evt_1", "type": "refund.created", "created": 1_782_896_400, "data": {"object": refund}}


async def posted(
    bench: Bench,
    body: str | bytes,
    *,
    secrets: tuple[str, ...] = (SECRET,),
    signed_with: str = SECRET,
    sent_as: AsyncIterator[bytes] | None = None,
    stripe_says: FakeStripe | None = None,
    clock: SharedClock | None = None,
) -> httpx.Response:
    text = body if isinstance(body, str) else body.decode("latin-1")
    signature = stripe.WebhookSignature.generate_signature_header(text, signed_with, int(time.time()))
    said = stripe_says or answering(200, intent("succeeded"))
    parking = EventParking(bench.bus, bench.metrics)
    accounts = Accounts.only(said.api, webhook_secrets=secrets)
    webhook = Webhook(bench.bus, bench.metrics, accounts, parking, clock or SharedClock("Stripe"))
    app = Starlette(routes=[Route("/webhooks/stripe", webhook.__call__, methods=["POST"])])
    async with (
        bench.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://adapter") as client,
    ):
        return await client.post("/webhooks/stripe", content=sent_as or body, headers={"stripe-signature": signature})


def _bench(bus_type: type[Bus] = Bus) -> Bench:
    return Bench("psp-adapter", bus_type)


async def test_a_webhook_of_now_is_believed_although_this_machine_is_an_hour_ahead() -> None:
    clock = SharedClock("Stripe", wall=lambda: datetime.now(UTC) + timedelta(hours=1))
    clock.set(datetime.now(UTC), asked_at=clock.steady())  # Stripe has answered once

    response = await posted(_bench(), json.dumps(_event()), clock=clock)

    assert response.status_code == 200


async def test_an_event_is_on_the_bus_under_stripes_id_before_stripe_is_thanked() -> None:
    bench = _bench()

    response = await posted(bench, json.dumps(_event()))

    assert response.status_code == 200
    (published,) = bench.published
    assert published.kind == "psp.psp-payment-succeeded.v1"
    assert (published.exchange, published.message_id) == ("events", "psp.evt_1")


async def test_an_event_the_broker_does_not_confirm_is_503_so_that_stripe_sends_it_again() -> None:
    response = await posted(_bench(DeafBus), json.dumps(_event()))

    assert response.status_code == 503


@pytest.mark.parametrize("status", [401, 403])
async def test_an_event_that_cannot_be_looked_up_because_our_key_is_wrong_is_503_so_that_stripe_sends_it_again(
    status: int,
) -> None:
    refund = {"id": "evt_1", "type": "refund.updated", "created": 1_782_896_400}
    refund |= {"data": {"object": {"id": "re_1", "payment_intent": "pi_1"}}}

    response = await posted(_bench(), json.dumps(refund), stripe_says=error(status))

    assert response.status_code == 503


@pytest.mark.parametrize("metadata", [{}, {"bellhop_installation": "the other hotel"}], ids=["removed", "another's"])
async def test_money_that_moves_without_metadata_of_ours_is_passed_on_for_its_reference_to_decide(
    metadata: dict[str, str],
) -> None:
    bench = _bench()
    names = {"order_id": given.ORDER_ID, "payment_id": given.PAYMENT_ID} if metadata else {}

    response = await posted(bench, json.dumps(_event(metadata={**metadata, **names})))

    (published,) = bench.sent
    assert response.json()["outcome"] == "done"
    assert isinstance(published, PspPaymentSucceeded)
    assert (published.payment_id, published.psp_reference) == ("", "pi_1")


@pytest.mark.parametrize(("ours", "status"), [(True, 200), (False, 503)], ids=["our account", "the key's is another"])
async def test_a_refund_of_a_payment_that_the_account_does_not_know_is_ignored_unless_the_key_is_of_another_account(
    ours: bool, status: int
) -> None:
    listed = [intent("succeeded")] if ours else []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/payment_intents":
            page = {"object": "list", "url": "/v1/payment_intents", "has_more": False, "data": listed}
            return httpx.Response(200, json=page)
        missing = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such payment_intent"}
        return httpx.Response(404, json={"error": missing})

    response = await posted(_bench(), json.dumps(_refund_event()), stripe_says=FakeStripe(answer))

    assert response.status_code == status


async def test_a_claim_is_answered_only_by_a_payment_intent_of_our_account_that_names_the_payment() -> None:
    claim = RetrievePspSession(
        order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, psp_reference="pi_1", is_held=False
    )
    paid = {**intent("succeeded"), "amount_received": 50_000}

    names_it = await _taking(claim, answering(200, paid))
    names_another = await _taking(claim, answering(200, {**paid, "metadata": {"order_id": "o", "payment_id": "p"}}))
    unknown = await _taking(claim, error(404, code="resource_missing"))
    silent = await _taking(claim, unreachable(httpx.ReadTimeout))

    (emitted,) = names_it.sent
    assert isinstance(emitted, PspPaymentSucceeded)
    assert emitted.is_answer
    assert (names_another.published, unknown.published) == ([], [])
    assert silent.published[0].headers["error_type"] == "PspUnavailableError"


@pytest.mark.parametrize(
    "event",
    [
        _event("customer.created"),
        _event("payment_intent.canceled", metadata={"shop": "another"}),
        {**_event(), "account": "acct_1AAAAAAAAAAAAAAA"},
        {**_refund_event(), "account": "acct_1AAAAAAAAAAAAAAA"},
        {**_event(), "livemode": True},
    ],
    ids=["unknown type", "foreign", "of another account", "refund of another account", "of the other mode"],
)
async def test_what_does_not_concern_us_is_thanked_for_and_not_published(event: dict[str, Any]) -> None:
    bench = _bench()

    response = await posted(bench, json.dumps(event))

    assert (response.status_code, response.json()["outcome"]) == (200, "ignored")
    assert bench.published == []
    assert bench.handled("webhook", "ignored") == 1


@pytest.mark.parametrize(
    "body",
    ["{", "[]", "null", "{}", '{"id": "evt_1", "type": "payment_intent.succeeded"}', b"\xff\xfe", ""],
    ids=repr,
)
async def test_what_is_no_event_is_400_although_signed(body: str | bytes) -> None:
    bench = _bench()

    response = await posted(bench, body)

    assert response.status_code == 400
    assert bench.published == []


async def test_a_foreign_signature_is_400_and_nothing_is_published() -> None:
    bench = _bench()

    response = await posted(bench, json.dumps(_event()), signed_with="whsec_foreign")

    assert response.status_code == 400
    assert bench.published == []


async def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_read() -> None:
    at_the_limit = json.dumps(_event("customer.created")).ljust(MAX_BODY)

    assert MAX_BODY == 256 * 1024
    assert (await posted(_bench(), at_the_limit)).status_code == 200
    assert (await posted(_bench(), at_the_limit + " ")).status_code == 413


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 200), (MAX_BODY + 1, 413)], ids=["at", "over"])
async def test_the_limit_holds_for_a_body_that_does_not_say_how_long_it_is(size: int, status: int) -> None:
    body = json.dumps(_event("customer.created")).ljust(size).encode()

    async def in_parts() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    response = await posted(_bench(), body, sent_as=in_parts())

    assert response.status_code == status


async def test_without_a_secret_the_endpoint_is_off() -> None:
    response = await posted(_bench(), json.dumps(_event()), secrets=())

    assert response.status_code == 404
