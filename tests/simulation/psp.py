"""The PSP: two accounts, each with the sandbox's own engine.

It is reached below the stripe SDK's HTTP client, and its webhooks come without sockets.
"""

import asyncio
import platform
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import stripe

from contracts.psp_accounts import DEFAULT_ACCOUNT
from stripe_sandbox import background, confirmation, events, intents, vouchers
from stripe_sandbox.api import CALLS, Api, NeverArrives, Operation
from stripe_sandbox.errors import ApiError, Json
from stripe_sandbox.faults import FaultPlan, Faults
from stripe_sandbox.sandbox import Call, Sandbox
from stripe_sandbox.settings import Settings
from stripe_sandbox.store import State
from stripe_sandbox.timers import Timers
from stripe_sandbox.webhooks import Webhooks
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Latency, Wire

PSP: ContextVar["Psp"] = ContextVar("the simulated PSP")
"""What the adapters of a simulation call."""

WEBHOOK_SECRET, SEASIDES_SECRET = "whsec_simulation", "whsec_seaside"
API_KEY, SEASIDES_KEY = "sk_test_sandbox", "sk_test_seaside0"
SEASIDE = "seaside"
"""The account beside the default one; BELLHOP_PSP_ACCOUNTS names it in some histories."""
SEASIDES_SETTING = f"""
{SEASIDE}:
  api_key: {SEASIDES_KEY}
  webhook_secret: {SEASIDES_SECRET}
  publishable_key: pk_test_seaside0
"""
_DAYS_LATE = (0.5, 4.0)
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Receive = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""Takes a webhook at a path; returns the status of the answer, or raises ConnectionError."""


@dataclass(slots=True)
class _Request:
    """As much of a request as the sandbox's API reads."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes
    path_params: dict[str, str]
    base_url: str = "http://psp"

    @property
    def url(self) -> "_Request":
        return self

    async def body(self) -> bytes:
        return self.content


@dataclass(slots=True)
class _Response:
    """As much of a response as the stripe SDK and the adapter's transport read."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


def _routes() -> list[tuple[str, re.Pattern[str], Operation, bool]]:
    calls = [(method, "/v1" + path, operation, is_public) for method, path, operation, is_public in CALLS]
    calls.append(("GET", "/v2/core/events/{id}", events.retrieve_thin, False))
    return [
        (method, re.compile(path.replace("{id}", "(?P<id>[^/]+)")), operation, is_public)
        for method, path, operation, is_public in calls
    ]


_ROUTES = _routes()

platform.platform()  # the SDK names it in every request, and finding it out the first time starts a program


class AccountAtPsp:
    """One account: its books, and what it calls and is called by."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.sandbox = Sandbox(settings)
        self.faults = Faults()
        self.webhooks = Webhooks(self.sandbox, self.faults)
        self.timers = Timers(self.sandbox)
        self.api = Api(self.sandbox, self.faults)
        self.sandbox.wake_timers = self.timers.wake

    @property
    def state(self) -> State:
        return self.sandbox.state


class Psp:
    """The accounts at the PSP, and the network before them."""

    def __init__(self, loop: SimulatedLoop, random: Random, receive: Receive) -> None:
        self.loop = loop
        self.random = random
        self.receive = receive
        self.wire = Wire(loop, random, Latency(usual=0.05, worst=2.0))
        self.lost = 0.0
        """How often a call never arrives."""
        self.unanswered = 0.0
        """How often a call takes effect, and its answer never arrives."""
        self.contradicted: list[str] = []
        """Idempotency keys under which different things were asked."""
        self.payload = "snapshot"
        """Or "thin": of the events that webhooks bring."""
        self.days_late = 0.0
        """How often a webhook comes days later, and half of these events are in no list until then."""
        self.late_until = 0.0
        """When the last one of them comes."""
        self.pending = 0
        """Steps that people and banks are still going to take there."""
        self.is_up = True
        default = Settings(
            webhook_url="http://adapter/webhooks/stripe",
            webhook_secret=WEBHOOK_SECRET,
            settle_after=60.0,
            retry_first=5.0,
            retry_longest=600.0,
            now=loop.unix_time,
            new_id=self._new_id,
        )
        seaside = replace(
            default,
            api_key=SEASIDES_KEY,
            publishable_key="pk_test_seaside0",
            account="acct_1BellhopSeaside0",
            webhook_url=f"http://adapter/webhooks/stripe/{SEASIDE}",
            webhook_secret=SEASIDES_SECRET,
        )
        self.accounts = (AccountAtPsp(DEFAULT_ACCOUNT, default), AccountAtPsp(SEASIDE, seaside))
        for account in self.accounts:
            account.sandbox.deliver = partial(self._deliver, account)

    def start(self) -> None:
        """Begin to live, as a part of the world."""
        for account in self.accounts:
            settings = account.sandbox.settings
            account.webhooks.listen_at(settings.webhook_url, settings.webhook_secret, payload=self.payload)
            account.webhooks._client = _Receiver(self)  # type: ignore[assignment]
            background.start(account.timers.run, f"timers of {account.name}")

    def all(self, kind: str) -> Iterator[Json]:
        """Every object of a kind, such as `refunds`, at any account."""
        for account in self.accounts:
            yield from getattr(account.state, kind).values()

    def holder_of(self, obj_id: str) -> AccountAtPsp:
        """The account that has an object."""
        return next((each for each in self.accounts if each.sandbox.store.find(obj_id)), self.accounts[0])

    def _new_id(self, prefix: str) -> str:
        return prefix + "_" + "".join(self.random.choices(_LETTERS, k=24))

    def _deliver(self, account: AccountAtPsp, event: Json, lane: str) -> None:
        if not self.days_late or self.random.random() >= self.days_late:
            account.webhooks.enqueue(event, lane)
            return
        account.sandbox.store.count_webhook("days late")
        if self.random.random() < 0.5:
            del account.state.events[event["id"]]
        at = self.loop.time() + self.random.uniform(*_DAYS_LATE) * 24 * 3600
        self.late_until = max(self.late_until, at)
        self.pending += 1
        self.loop.call_at(at, self._deliver_late, account, event, context=self.loop.world.context)

    def _deliver_late(self, account: AccountAtPsp, event: Json) -> None:
        """In no order with the others."""
        self.pending -= 1
        account.state.events[event["id"]] = event
        account.webhooks.enqueue(event, f"late {event['id']}")

    def use(self, plan: FaultPlan) -> None:
        for account in self.accounts:
            account.faults.use(plan)

    def go_down(self, seconds: float) -> None:
        self.is_up = False
        self.loop.call_at(self.loop.time() + seconds, self._come_back, context=self.loop.world.context)

    def _come_back(self) -> None:
        self.is_up = True

    def forget_keys(self) -> None:
        """A day has passed, as far as idempotency keys are concerned."""
        for account in self.accounts:
            account.state.idempotency.clear()

    async def called(self, method: str, url: str, headers: Mapping[str, str], data: Any) -> httpx.Response:
        """One HTTP request of the adapter. Raises httpx's errors."""
        fate = self.random.random()
        is_lost = not self.is_up or fate < self.lost
        request = _request_of(method, url, headers, data)
        if is_lost:
            await self.wire.fail(10.0, httpx.ReadTimeout("the PSP does not answer"))
        answer: asyncio.Future[httpx.Response] = self.loop.create_future()
        at = self.loop.time() + self.wire.latency.drawn(self.random)
        self.loop.call_at(at, self._serve, request, answer, context=self.loop.world.context)
        if fate < self.lost + self.unanswered:
            answer.add_done_callback(_unheard)
            await self.wire.fail(10.0, httpx.ReadTimeout("the answer is lost"))
        return await answer

    def _serve(self, request: _Request, answer: "asyncio.Future[httpx.Response]") -> None:
        work = self._respond(request, answer)
        self.loop.create_task(work, name="the PSP", context=self.loop.world.context)

    async def _respond(self, request: _Request, answer: "asyncio.Future[httpx.Response]") -> None:
        operation, is_public, request.path_params = _operation_of(request)
        account = self._account_of(request)
        response = await account.api._respond(request, operation, is_public)  # type: ignore[arg-type]
        if response.status_code == 400 and b"idempotency_error" in response.body:
            self.contradicted.append(request.headers.get("idempotency-key", ""))
        headers = {"Date": formatdate(account.sandbox.now(), usegmt=True), **dict(response.headers)}
        came: Any = _Response(response.status_code, httpx.Headers(headers), bytes(response.body))
        if isinstance(response, NeverArrives):
            came = httpx.RemoteProtocolError("the connection was closed")
        at = self.loop.time() + self.wire.latency.drawn(self.random)
        self.loop.call_at(at, _answered, answer, came, context=self.loop.world.context)

    def _account_of(self, request: _Request) -> AccountAtPsp:
        """That of its key; a key of no account is refused by the default one."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        return next((each for each in self.accounts if each.sandbox.settings.api_key == key), self.accounts[0])

    # What guests do with their browser

    def confirm(self, client_secret: str, card: str) -> str:
        """The guest pays. Returns the status of the PaymentIntent afterwards."""
        intent_id = client_secret.partition("_secret")[0]
        params: dict[str, Any] = {"return_url": "http://guest/", "client_secret": client_secret}
        if card in vouchers.TYPES:
            params["payment_method_data"] = {
                "type": card,
                "billing_details": {"name": "A guest", "email": "a@b.example"},
            }
        else:
            params["payment_method"] = card
        call = Call(params, {"id": intent_id}, public=True)
        try:
            intents.confirm(self.holder_of(intent_id).sandbox, call)
        except ApiError:
            return f"refused: {self.intent(intent_id)['status']}"
        return str(self.intent(intent_id)["status"])

    def authenticate(self, client_secret: str, *, succeeds: bool) -> str:
        """The guest's bank asks them. Returns the status of the PaymentIntent afterwards."""
        intent_id = client_secret.partition("_secret")[0]
        outcome: Any = "succeed" if succeeds else "fail"
        call = Call({}, {"id": intent_id}, public=True)
        try:
            sandbox = self.holder_of(intent_id).sandbox
            confirmation.authenticate(sandbox, call, self.intent(intent_id), outcome)
        except ApiError as error:
            return f"refused: {error.status}"
        return str(self.intent(intent_id)["status"])

    def pay(self, client_secret: str) -> str:
        """The guest pays a voucher, or transfers the money. Returns the status of the PaymentIntent afterwards."""
        intent_id = client_secret.partition("_secret")[0]
        try:
            sandbox = self.holder_of(intent_id).sandbox
            confirmation.pay(sandbox, Call(path={"id": intent_id}, public=True), self.intent(intent_id), None)
        except ApiError as error:
            return f"refused: {error.status}"
        return str(self.intent(intent_id)["status"])

    def intent(self, intent_id: str) -> Json:
        return self.holder_of(intent_id).sandbox.store.get(intent_id, "pi")


def _request_of(method: str, url: str, headers: Mapping[str, str], data: Any) -> _Request:
    parts = urlsplit(url)
    content = data if isinstance(data, bytes) else (data or "").encode() if isinstance(data, str | None) else b""
    lowered = {name.lower(): value for name, value in headers.items()}
    return _Request(method.upper(), parts.path, parts.query, lowered, content, {})


def _operation_of(request: _Request) -> tuple[Operation, bool, dict[str, str]]:
    for method, path, operation, is_public in _ROUTES:
        if method == request.method and (found := path.fullmatch(request.path)):
            return operation, is_public, found.groupdict()
    raise LookupError(f"the simulated PSP has no {request.method} {request.path}")


def _answered(answer: "asyncio.Future[httpx.Response]", came: httpx.Response | Exception) -> None:
    if answer.done():
        return
    if isinstance(came, Exception):
        answer.set_exception(came)
    else:
        answer.set_result(came)


def _unheard(answer: "asyncio.Future[httpx.Response]") -> None:
    answer.exception()


@dataclass(slots=True)
class _Receiver:
    """What the sandbox posts its webhooks with."""

    psp: Psp

    async def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return httpx.Response(await self.psp.receive(urlsplit(url).path, content, headers))

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Http:
    """What the stripe SDK sends its requests with."""

    psp: Psp = field(default_factory=PSP.get)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any,
        timeout: Any = None,  # noqa: ASYNC109
    ) -> httpx.Response:
        return await self.psp.called(method, url, headers, data)

    async def aclose(self) -> None:
        """Nothing is open."""


class _Anyio:
    sleep = staticmethod(asyncio.sleep)


def init_http(client: Any, timeout: Any = 80, allow_sync_methods: bool = False, **named: Any) -> None:
    """Stands for the constructor of the stripe SDK's HTTP client, which reads certificates."""
    stripe.HTTPClient.__init__(client, **named)
    client.anyio, client._client, client._client_async, client._timeout = _Anyio, None, _Http(), timeout
