"""Composition root of the operator's page: the only module that names its concrete components."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from chassis.runtime.background import run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import VERSION, operator_routes
from chassis.runtime.waiting import Waiting
from chassis.web.headers import SecurityHeaders
from chassis.web.http_log import HttpLog
from chassis.web.library_spans import NO_TELEMETRY
from chassis.web.request_limits import RequestLimits
from chassis.web.request_trace import RequestTrace
from chassis.web.tokens import Tokens
from ops.core.dead_letters.letters import waiting_letters
from ops.core.target import Target
from ops.web import problems
from ops.web.api import api
from ops.web.files import files
from ops.web.runs import Runs
from ops.web.session import ReconnectingSession
from ops.web.settings import PageSettings

SERVICE = "ops-page"
_LARGEST_BODY = 1024 * 1024
"""Bytes: the ids of some 60,000 dead letters, or one message with a large body."""
_LONGEST_REQUEST = 60.0
"""Seconds. Reading a week's log takes its time."""


def create_app(settings: PageSettings) -> FastAPI:
    """Build the operator's page. It connects at the first request after its start."""
    metrics = Metrics(SERVICE)
    desk = ReconnectingSession(target_of(settings), metrics)
    runs = Runs(desk)

    waiting = Waiting(metrics)
    waiting.watch("dead_letters", lambda: waiting_letters(desk.store))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with run_loops(waiting.loops()):
            yield
            await runs.stop()
        await desk.close()

    app = FastAPI(
        title="Bellhop's operator's page",
        version=VERSION,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    problems.install(app)
    app.add_middleware(RequestLimits, max_body=_LARGEST_BODY, seconds=_LONGEST_REQUEST)
    app.add_middleware(HttpLog)
    app.add_middleware(RequestTrace)
    app.add_middleware(SecurityHeaders)
    app.include_router(api(desk, runs, Tokens.of(settings), may_change_identity=settings.edit_identity))
    app.include_router(files())
    app.add_route("/", lambda _request: RedirectResponse("/ops"), include_in_schema=False)
    app.router.routes.extend(operator_routes(metrics, desk.checks()))
    return app


def target_of(settings: PageSettings) -> Target:
    """The system without the PSP's key: the page makes no calls to the PSP."""
    return Target(
        amqp_url=settings.amqp_url.get_secret_value(),
        mongodb_url=settings.mongodb_url.get_secret_value(),
        stripe_api_key="",
        stripe_api_base=None,
        database=settings.mongodb_database,
        store_timeout=settings.store_timeout,
        management_url=settings.management_url.get_secret_value() or None,
    )
