"""The composition root of the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stripe_sandbox import background
from stripe_sandbox.api import Api
from stripe_sandbox.control_api import ControlApi
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


def create_app(settings: Settings) -> Starlette:
    """The whole sandbox as an ASGI app. It reads its file and begins to deliver webhooks when it starts up."""
    sandbox = Sandbox(settings)
    faults = Faults()
    webhooks = Webhooks(sandbox, faults)
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
