"""The composition root of the sandbox."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from email.utils import formatdate
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stripe_sandbox import background
from stripe_sandbox.api import Api, key_of
from stripe_sandbox.control_api import ControlApi
from stripe_sandbox.errors import ApiError
from stripe_sandbox.faults import Faults
from stripe_sandbox.pages import Pages
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.settings import NOTICE, Settings
from stripe_sandbox.timers import Timers
from stripe_sandbox.webhooks import Webhooks


class SaysItIsASandbox:
    """Marks every answer, so that no reader mistakes it for Stripe's, and dates it by the account's clock.

    The server in front must not add a `Date` itself (uvicorn: `date_header=False`).
    """

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Stripe-Sandbox"] = NOTICE
                headers["Date"] = formatdate(self._sandbox.now(), usegmt=True)
            await send(message)

        await self._app(scope, receive, marked)


def create_app(settings: Settings, others: Mapping[str, Settings] | None = None) -> ASGIApp:
    """The whole sandbox as an ASGI app. It reads its files and begins to deliver webhooks when it starts up.

    `others`: further accounts by name, each with books of its own.
    """
    default = _Account.of(settings)
    named = {name: _Account.of(other, default.sandbox) for name, other in (others or {}).items()}
    return Accounts(default, named) if named else default.app


@dataclass(frozen=True, slots=True)
class _Account:
    """One account: its books, and the app that serves them."""

    sandbox: Sandbox
    app: Starlette

    @classmethod
    def of(cls, settings: Settings, default: Sandbox | None = None) -> "_Account":
        """`default`: the account whose clock this one goes by."""
        sandbox = Sandbox(settings if default is None else replace(settings, now=default.now))
        if default is not None:
            default.followers.append(sandbox)
        return cls(sandbox, _app_of(sandbox, default if settings.connected else None))


class Accounts:
    """Hands each request to the app of the account that it is about; the default one's serves the pages."""

    def __init__(self, default: _Account, others: Mapping[str, _Account]) -> None:
        self._default = default
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        account = self._account_of(scope) if scope["type"] == "http" else self._default
        if account is None:
            refused = ApiError(403, _NO_ACCESS, kind="invalid_request_error", code="account_invalid")
            await JSONResponse(refused.body, 403)(scope, receive, send)
            return
        await account.app(scope, receive, send)

    def _account_of(self, scope: Scope) -> _Account | None:
        """None: the key has no right to the account that `Stripe-Account` names."""
        path: str = scope["path"]
        if path.startswith(_SWITCHES_OF):
            name, _, rest = path.removeprefix(_SWITCHES_OF).partition("/")
            if name in self._others:
                scope["path"] = f"/_sandbox/{rest}"
                scope["raw_path"] = scope["path"].encode()
                return self._others[name]
        headers = Headers(scope=scope)
        key = key_of(headers) or parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if named := headers.get("stripe-account"):
            return self._connected(named) if self._is_of(self._default, key) else None
        if not key:
            return self._holder_of(path + "?" + scope["query_string"].decode("latin-1"))
        own = (each for each in self._others.values() if not each.sandbox.settings.connected)
        return next((each for each in own if self._is_of(each, key)), self._default)

    def _connected(self, account_id: str) -> _Account | None:
        everyone = (self._default, *(each for each in self._others.values() if each.sandbox.settings.connected))
        return next((each for each in everyone if each.sandbox.settings.account == account_id), None)

    def _holder_of(self, address: str) -> _Account:
        """Switches and the bank's page need no key: the account is that of the object in the address."""
        ids = _OBJECT.findall(address)
        holders = (each for each in self._others.values() if any(each.sandbox.store.find(one) for one in ids))
        return next(holders, self._default)

    @staticmethod
    def _is_of(account: _Account, key: str) -> bool:
        return key in (account.sandbox.settings.api_key, account.sandbox.settings.publishable_key)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All accounts start and stop with the default one."""
        async with AsyncExitStack() as started:
            for each in self._others.values():
                await started.enter_async_context(each.app.router.lifespan_context(each.app))
            await self._default.app(scope, receive, send)


_SWITCHES_OF = "/_sandbox/accounts/"
_OBJECT = re.compile(r"\b(?:pi|ch|re|dp|evt|po)_[A-Za-z0-9]+")
_NO_ACCESS = "The provided key does not have access to this account."


def _app_of(sandbox: Sandbox, platform: Sandbox | None) -> Starlette:
    settings = sandbox.settings
    faults = Faults()
    webhooks = Webhooks(sandbox, faults, platform)
    timers = Timers(sandbox)
    api = Api(sandbox, faults)
    sandbox.deliver = webhooks.enqueue
    sandbox.wake_timers = timers.wake

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sandbox.store.load()
        if settings.webhook_url is not None:
            webhooks.listen_at(settings.webhook_url, settings.webhook_secret)
        webhooks.start()
        tasks = [background.start(timers.run, "timers"), background.start(sandbox.store.keep_saving, "saving")]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await webhooks.stop()
            sandbox.store.save()

    return Starlette(
        routes=[
            Route("/health/live", _healthy),
            Route("/health/ready", _healthy),
            api.routes(),
            api.v2_routes(),
            ControlApi(sandbox, faults, webhooks, timers).routes(),
            *Pages(sandbox).routes(),
        ],
        middleware=[Middleware(SaysItIsASandbox, sandbox=sandbox)],
        lifespan=lifespan,
    )


async def _healthy(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "sandbox": True})
