"""Composition root of the gateway: the only module that names its concrete components."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI

from chassis.errors import TransientError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.messaging.queue_depth import depth_of
from chassis.messaging.requests import RequestClient
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import VERSION, bus_checks, bus_loops, bus_notices, operator_routes, start_bus
from chassis.runtime.steps import Step, Steps
from chassis.seal import Seal
from chassis.web.library_spans import NO_TELEMETRY
from chassis.web.tokens import Tokens
from contracts import services
from contracts.ids import PropertyId
from contracts.orders import ListExtras
from contracts.topology import EXTRAS_COMMANDS, LIVE_KINDS
from gateway import middleware
from gateway.admission import AdmissionControl
from gateway.api import api
from gateway.api.auth import Auth
from gateway.api.bus_gateway import BusGateway
from gateway.contacts import TokenContacts
from gateway.desk_page import desk_page
from gateway.docs_page import docs_page
from gateway.guest_page import Page
from gateway.live import LiveFeed
from gateway.openapi import TAGS, document, operation_id
from gateway.rate_limits import RateLimits
from gateway.settings import GatewaySettings

SERVICE = services.GATEWAY

COUNT_TIMEOUT = 1.0
"""Seconds to wait for the number of waiting orders."""
_LOOK_EVERY, _OLD = 60.0, 300.0


def create_app(settings: GatewaySettings) -> FastAPI:
    """Build the gateway. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    requests = RequestClient(bus, metrics)
    bus.clock = requests.clock.now
    live = LiveFeed(settings.live_stream_max_seconds)
    rates = RateLimits(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await start_bus(bus, requests.start, partial(bus.follow, LIVE_KINDS, live.on_event))
        with suppress(TransientError):
            await _ask_the_time(requests)
        async with run_loops((*bus_loops(bus), Loop("clock", _LOOK_EVERY, partial(_keep_the_time, requests)))):
            yield
            await bus.stop()

    app = FastAPI(
        title="Bellhop",
        version=VERSION,
        description="Beyond what a schema can say: docs/http-api.md.",
        summary="Hotel extras: order them, pay for them, watch the order be confirmed.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        contact={"name": "The maintainers of Bellhop"},
        # The gateway that serves the document, wherever it runs.
        servers=[{"url": "/", "description": "this gateway"}],
        openapi_tags=TAGS,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redirect_slashes=False,  # the address in such a redirect would be the sender's Host
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    middleware.install(app, settings, rates)
    admission = AdmissionControl(
        lambda: depth_of(bus, EXTRAS_COMMANDS, timeout=COUNT_TIMEOUT),
        settings.max_waiting_orders,
        settings.order_target_seconds,
    )
    bus_gateway = BusGateway(requests, settings.reply_timeout, Steps(metrics, Step.ORDER_ANSWERED, Step.SESSION_OPENED))
    contacts = TokenContacts(bus, Seal(settings.seal_keys), requests.clock.now)
    auth = Auth(Tokens.of(settings, requests.clock.now), rates)
    app.include_router(api(bus_gateway, auth, live, admission, contacts, settings, requests.clock.now))
    app.include_router(Page(settings).routes())
    app.include_router(desk_page())
    if settings.shows_docs:
        app.include_router(docs_page(app.title, str(app.openapi_url)))
    app.router.routes.extend(
        operator_routes(metrics, bus_checks(bus), {"backlog": admission.check, **bus_notices(bus)})
    )
    document(app)
    app.state.live = live
    return app


async def _keep_the_time(requests: RequestClient) -> None:
    if requests.clock.age > _OLD:  # no guest has asked for anything
        await _ask_the_time(requests)


async def _ask_the_time(requests: RequestClient) -> None:
    """Every reply says when it was sent. Tokens are judged by that time, not by this machine's."""
    asked = uuid.uuid4().hex
    nothing = ListExtras(property_id=PropertyId(""))
    await requests.request(Envelope(nothing, f"clock.{asked}", asked), timeout=2.0)
