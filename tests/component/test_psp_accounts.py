"""The adapter with several accounts at the PSP: each message at its own account, and no account stops the others."""

import json
import time
from typing import Any

import httpx
import stripe
from starlette.applications import Starlette
from starlette.routing import Route

from chassis.messaging.breaker import Breaker
from contracts.psp import (
    CreatePspSession,
    PspEventsSwept,
    PspOutcomeUnknown,
    PspPaymentSucceeded,
    PspSessionCreated,
    PspSessionFailed,
    SweepPspEvents,
    TranslatePspEvent,
)
from contracts.topology import PSP_COMMANDS
from psp_adapter.account_settings import AccountSettings
from psp_adapter.account_watch import AccountWatch
from psp_adapter.accounts import Accounts, connect_accounts
from psp_adapter.errors import PspUnavailableError
from psp_adapter.event_backfill import EventBackfill
from psp_adapter.event_parking import EventParking
from psp_adapter.handlers import TRIES, AdapterHandlers
from psp_adapter.webhook import Webhook
from tests.component.bench import Bench
from tests.component.test_psp_adapter import CREATE, SEAL
from tests.support.fake_stripe import intent

SETTINGS = (
    AccountSettings("default", "sk_test_default", ("whsec_default",)),
    AccountSettings("seaside", "sk_test_seaside", ("whsec_seaside",), publishable_key="pk_test_seaside"),
    AccountSettings("harbour", "sk_test_default", connected="acct_harbour"),
)
NO_EVENTS: dict[str, Any] = {"object": "list", "has_more": False, "data": []}


class Stripe:
    """Answers each account, and keeps who was asked."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.asked: list[tuple[str, str, str | None]] = []
        self.events: list[dict[str, Any]] = []
        self.accounts = connect_accounts(SETTINGS, base=None, timeout=1, retries=0)
        http = self.accounts.default.stripe.http
        http._client_async = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append((request.url.path, key, request.headers.get("stripe-account")))
        if key in self.revoked:
            return httpx.Response(401, json={"error": {"type": "invalid_request_error", "message": "No."}})
        if request.url.path == "/v1/events":
            return httpx.Response(200, json=NO_EVENTS | {"data": self.events[::-1]})
        return httpx.Response(200, json=intent("requires_payment_method"))


def _bench(stripe_: Stripe) -> Bench:
    bench = Bench("psp-adapter")
    accounts = stripe_.accounts
    backfill = EventBackfill(accounts, bench.bus, EventParking(bench.bus, bench.metrics))
    handlers = AdapterHandlers(accounts, bench.bus, SEAL, backfill).commands()
    breaker = Breaker("the PSP", PspUnavailableError, accounts.answer, bench.bus.consuming, bench.metrics)
    bench.consume(PSP_COMMANDS, handlers, breaker)
    bench.breaker = breaker  # type: ignore[attr-defined]
    return bench


def _at(account: str) -> CreatePspSession:
    return CREATE.model_copy(update={"psp_account": account})


async def test_a_session_is_opened_at_the_account_that_the_command_names() -> None:
    fake = Stripe()
    bench = _bench(fake)

    async with bench.running():
        for account in ("default", "seaside", "harbour"):
            await bench.deliver(PSP_COMMANDS, _at(account), reply_to=None)

    assert fake.asked == [
        ("/v1/payment_intents", "sk_test_default", None),
        ("/v1/payment_intents", "sk_test_seaside", None),
        ("/v1/payment_intents", "sk_test_default", "acct_harbour"),
    ]
    opened = [each for each in bench.sent if isinstance(each, PspSessionCreated)]
    assert [each.psp_account for each in opened] == ["default", "seaside", "harbour"]
    assert [(each.page_account.publishable_key, each.page_account.connected) for each in opened] == [
        (None, None),
        ("pk_test_seaside", None),
        (None, "acct_harbour"),
    ]


async def test_a_command_for_an_account_that_is_not_configured_is_parked_and_charges_no_other() -> None:
    fake = Stripe()
    bench = _bench(fake)

    async with bench.running():
        await bench.deliver(PSP_COMMANDS, _at("elsewhere"), reply_to=None)

    assert fake.asked == []
    guest, letter = bench.published
    assert isinstance(guest.message, PspSessionFailed)
    assert (guest.message.psp_account, guest.message.code) == ("elsewhere", "account_not_configured")
    assert (letter.exchange, letter.headers["error_type"]) == ("dead", "AccountNotConfiguredError")
    assert "add it to BELLHOP_PSP_ACCOUNTS" in letter.headers["error"]


async def test_a_revoked_key_of_one_account_stops_no_other() -> None:
    fake = Stripe()
    fake.revoked.add("sk_test_seaside")
    bench = _bench(fake)

    async with bench.running():
        await bench.deliver(PSP_COMMANDS, _at("seaside"), reply_to=None)
        await bench.deliver(PSP_COMMANDS, _at("harbour"), reply_to=None)

    retry, opened = bench.published
    assert (retry.exchange, retry.headers["error_type"]) == ("retry.1s", "AccountRefusedError")
    assert isinstance(opened.message, PspSessionCreated)
    assert not bench.breaker.is_open  # type: ignore[attr-defined]


async def test_what_a_rejected_account_does_not_answer_is_unknown_in_the_end_and_polled() -> None:
    fake = Stripe()
    fake.revoked.add("sk_test_seaside")
    bench = _bench(fake)

    async with bench.running():
        await bench.deliver(PSP_COMMANDS, _at("seaside"), reply_to=None, headers={"attempt": TRIES})

    (emitted,) = bench.sent
    assert isinstance(emitted, PspOutcomeUnknown)
    assert (emitted.psp_account, emitted.is_refused) == ("seaside", False)


async def test_a_rejected_account_is_not_swept_and_its_sweep_is_not_parked() -> None:
    fake = Stripe()
    fake.revoked.add("sk_test_seaside")
    bench = _bench(fake)

    async with bench.running():
        for account in ("seaside", "elsewhere"):
            await bench.deliver(
                PSP_COMMANDS, SweepPspEvents(psp_account=account, since="2026-07-01T09:00:00Z"), reply_to=None
            )

    assert bench.published == []


async def test_a_sweep_reports_its_progress_on_the_way() -> None:
    fake = Stripe()
    fake.events = [_event(number) for number in range(250)]
    bench = _bench(fake)

    async with bench.running():
        await bench.deliver(
            PSP_COMMANDS, SweepPspEvents(psp_account="harbour", since="2026-07-01T09:00:00Z"), reply_to=None
        )

    swept = [each for each in bench.sent if isinstance(each, PspEventsSwept)]
    assert [each.psp_account for each in swept] == ["harbour"] * 3
    created = [int(each.until.timestamp()) for each in swept]
    assert created[:2] == [fake.events[99]["created"], fake.events[199]["created"]]
    assert len({each.message_id for each in bench.published}) == 253, "no report of progress is dropped as a duplicate"
    paid = [each for each in bench.sent if isinstance(each, PspPaymentSucceeded)]
    assert {each.psp_account for each in paid} == {"harbour"}


async def test_an_event_is_accepted_at_its_own_endpoint_with_its_own_secret_only() -> None:
    fake = Stripe()
    event = _event(1)

    assert await _posted(fake, "", event, "whsec_default") == (200, ["default"])
    assert await _posted(fake, "/seaside", event, "whsec_seaside") == (200, ["seaside"])
    assert await _posted(fake, "/seaside", event, "whsec_default") == (400, [])
    assert await _posted(fake, "", event, "whsec_seaside") == (400, [])
    assert await _posted(fake, "/harbour", event, "whsec_default") == (404, [])
    assert await _posted(fake, "/elsewhere", event, "whsec_default") == (404, [])


async def test_an_event_of_a_connected_account_comes_to_the_platforms_endpoint_and_names_it() -> None:
    fake = Stripe()

    assert await _posted(fake, "", _event(1) | {"account": "acct_harbour"}, "whsec_default") == (200, ["harbour"])
    assert await _posted(fake, "", _event(1) | {"account": "acct_other"}, "whsec_default") == (200, [])
    assert await _posted(fake, "/seaside", _event(1) | {"account": "acct_harbour"}, "whsec_seaside") == (200, [])


async def test_an_event_that_cannot_be_translated_is_parked_with_its_account() -> None:
    fake = Stripe()
    broken = _event(1)
    broken["data"]["object"]["amount"] = "much"
    bench = Bench("psp-adapter")

    assert (await _post(bench, fake.accounts, "/seaside", broken, "whsec_seaside")).status_code == 200

    (letter,) = bench.published
    assert isinstance(letter.message, TranslatePspEvent)
    assert letter.message.psp_account == "seaside"


async def test_the_watch_names_the_account_that_is_rejected_until_it_is_accepted_again() -> None:
    fake = Stripe()
    fake.revoked.add("sk_test_seaside")
    bench = Bench("psp-adapter")
    watch = AccountWatch(fake.accounts, bench.metrics)

    assert await watch.look() is None, "the default account is accepted"
    assert "rejects account seaside" in (await watch.check()() or "")
    assert _rejected(bench) == {"account default": 0, "account seaside": 1, "account harbour": 0}

    fake.revoked.clear()
    await watch.look()

    assert await watch.check()() is None
    assert _rejected(bench)["account seaside"] == 0


def _rejected(bench: Bench) -> dict[str, float]:
    (family,) = bench.metrics.refused.collect()
    return {sample.labels["dependency"]: sample.value for sample in family.samples}


def _event(number: int) -> dict[str, Any]:
    paid = {**intent("succeeded"), "amount_received": 50_000}
    created = 1_782_896_400 + number
    return {"id": f"evt_{number}", "type": "payment_intent.succeeded", "created": created, "data": {"object": paid}}


async def _posted(fake: Stripe, endpoint: str, event: dict[str, Any], secret: str) -> tuple[int, list[str]]:
    """The status, and the accounts of what was published."""
    bench = Bench("psp-adapter")
    answer = await _post(bench, fake.accounts, endpoint, event, secret)
    return answer.status_code, [each.psp_account for each in bench.sent if isinstance(each, PspPaymentSucceeded)]


async def _post(bench: Bench, accounts: Accounts, endpoint: str, event: dict[str, Any], secret: str) -> httpx.Response:
    text = json.dumps(event)
    signature = stripe.WebhookSignature.generate_signature_header(text, secret, int(time.time()))
    webhook = Webhook(
        bench.bus, bench.metrics, accounts, EventParking(bench.bus, bench.metrics), accounts.default.stripe.clock
    )
    paths = ("/webhooks/stripe", "/webhooks/stripe/{account}")
    app = Starlette(routes=[Route(path, webhook.__call__, methods=["POST"]) for path in paths])
    transport = httpx.ASGITransport(app=app)
    async with bench.running(), httpx.AsyncClient(transport=transport, base_url="http://adapter") as client:
        return await client.post(f"/webhooks/stripe{endpoint}", content=text, headers={"stripe-signature": signature})
