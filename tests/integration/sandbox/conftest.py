"""The sandbox on a real port, the unmodified Stripe SDK as its client, and an endpoint that receives its webhooks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from deploy.local.patience import patient
from stripe_sandbox import Settings, create_app

SECRET = "whsec_for_tests"


async def eventually(holds: Callable[[], Awaitable[bool]] | Callable[[], bool], *, within: float = 30.0) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    async with asyncio.timeout(patient(within)):
        while True:
            result = holds()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The app on a free port of this machine; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_level="critical", access_log=False, timeout_graceful_shutdown=1, date_header=False
        )
        server = uvicorn.Server(config)
        # The test runner keeps its own signal handlers.
        task = asyncio.create_task(server._serve([listener]))
        await eventually(lambda: server.started or task.done())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@dataclass
class Inbox:
    """A webhook endpoint: keeps what arrives, answers with the given statuses, 200 by default."""

    url: str = ""
    received: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    before_answer: asyncio.Event | None = None

    async def receive(self, request: Request) -> Response:
        self.received.append((await request.body(), request.headers["stripe-signature"]))
        if self.before_answer is not None:
            await self.before_answer.wait()
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    @property
    def events(self) -> list[stripe.Event]:
        """Everything that arrived, each verified against its signature."""
        return [stripe.Webhook.construct_event(body, header, SECRET) for body, header in self.received]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    async def gets(self, *types: str) -> None:
        await eventually(lambda: set(types) <= set(self.types))


@dataclass(frozen=True)
class Bench:
    """A running sandbox and the ways to reach it."""

    url: str
    sdk: stripe.StripeClient
    http: httpx.AsyncClient
    inbox: Inbox

    async def switch(self, path: str, body: dict[str, Any] | None = None, *, method: str = "POST") -> dict[str, Any]:
        answer = await self.http.request(method, f"/_sandbox/{path}", json=body or {})
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def faults(self, **faults: Any) -> None:
        await self.switch("faults", faults, method="PUT")

    async def state(self) -> dict[str, Any]:
        return await self.switch("state", method="GET")

    async def advance(self, seconds: float) -> None:
        """Set the account's clock forward."""
        await self.switch("clock/advance", {"seconds": seconds})

    async def says_livemode(self, livemode: bool) -> None:
        await self.switch("settings", {"livemode": livemode}, method="PUT")

    async def paid(self, amount: int = 2500, method: str = "pm_card_visa") -> stripe.PaymentIntent:
        return await self.intent(amount, confirm=True, payment_method=method)

    async def intent(self, amount: int = 2500, **params: Any) -> stripe.PaymentIntent:
        intent: Any = {"amount": amount, "currency": "eur"} | params
        return await self.sdk.v1.payment_intents.create_async(intent)

    async def as_browser(self, method: str, path: str, **form: str) -> httpx.Response:
        """A call as Stripe.js makes it: publishable key, form encoding."""
        headers = {"Authorization": "Bearer pk_test_sandbox", "Origin": "http://localhost:3000"}
        if method == "GET":
            return await self.http.get(path, params=form, headers=headers)
        return await self.http.post(path, data=form, headers=headers)


@asynccontextmanager
async def client_for(url: str, *, key: str = "sk_test_sandbox", retries: int = 0) -> AsyncIterator[stripe.StripeClient]:
    """Stripe's SDK, whose connections are closed in the end."""
    http = stripe.HTTPXClient()
    try:
        yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http, max_network_retries=retries)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def bench_of(inbox: Inbox, **settings: Any) -> AsyncIterator[Bench]:
    defaults: dict[str, Any] = {
        "webhook_url": inbox.url,
        "webhook_secret": SECRET,
        "settle_after": None,
        "retry_first": 0.01,
        "retry_longest": 0.05,
        "save_every": 0.01,
    }
    app = create_app(Settings(**(defaults | settings)))
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
        client_for(url) as sdk,
    ):
        yield Bench(url, sdk, http, inbox)


@pytest.fixture(scope="session")
async def _inbox() -> AsyncIterator[Inbox]:
    inbox = Inbox()
    async with serving(Starlette(routes=[Route("/webhooks", inbox.receive, methods=["POST"])])) as url:
        inbox.url = f"{url}/webhooks"
        yield inbox


@pytest.fixture(scope="session")
async def _bench(_inbox: Inbox) -> AsyncIterator[Bench]:
    async with bench_of(_inbox) as bench:
        yield bench


@pytest.fixture
def inbox(_inbox: Inbox) -> Inbox:
    _inbox.received, _inbox.answers, _inbox.before_answer = [], [], None
    return _inbox


@pytest.fixture
async def bench(_bench: Bench, inbox: Inbox) -> AsyncIterator[Bench]:
    """One running sandbox for all tests, empty for each of them."""
    await _bench.switch("webhook-endpoint", {"url": inbox.url, "secret": SECRET})
    yield _bench
    if inbox.before_answer is not None:
        inbox.before_answer.set()
    await _bench.switch("reset")
