"""Composition root of the gateway: the only place that names its concrete parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis.bus import Bus
from chassis.depth import depth_of
from chassis.metrics import Metrics
from chassis.requests import RequestClient
from chassis.service import VERSION, bus_checks, bus_loops, bus_notices, looping, operator_routes
from contracts.topology import EXTRAS_COMMANDS, LIVE_KINDS
from gateway.api import api
from gateway.api.asking import Asking
from gateway.api.who import Who
from gateway.backlog import Backlog
from gateway.docs_page import docs_page
from gateway.edge import guard
from gateway.live import LiveFeed
from gateway.openapi import TAGS, document, operation_id
from gateway.page import Page
from gateway.rates import Rates
from gateway.settings import GatewaySettings
from gateway.tokens import Tokens

SERVICE = "gateway"


def create_app(settings: GatewaySettings) -> FastAPI:
    """Build the gateway. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    requests = RequestClient(bus, metrics)
    live = LiveFeed(settings.longest_live_stream)
    rates = Rates(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await bus.start()
        await requests.start()
        await bus.follow(LIVE_KINDS, live.on_event)
        async with looping(bus_loops(bus)):
            yield
            await bus.stop()

    app = FastAPI(
        title="Bellhop",
        version=VERSION,
        description="Beyond what a schema can say: docs/http-api.md.",
        summary="Hotel extras: order them, pay for them, watch the order be confirmed.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        contact={"name": "The maintainers of Bellhop"},
        # The one that serves the document, wherever a hotel runs it.
        servers=[{"url": "/", "description": "this gateway"}],
        openapi_tags=TAGS,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        docs_url=None,
        redirect_slashes=False,  # the address in such a redirect would be the sender's Host
        redoc_url=None,
    )
    guard(app, settings, rates)
    backlog = Backlog(lambda: depth_of(bus, EXTRAS_COMMANDS, timeout=1.0), settings.max_waiting_orders)
    asking = Asking(requests, settings.reply_timeout)
    app.include_router(api(asking, Who(Tokens.of(settings), rates), live, backlog, settings))
    app.include_router(Page(settings).routes())
    if settings.shows_docs:
        app.include_router(docs_page(app.title, str(app.openapi_url)))
    app.router.routes.extend(operator_routes(metrics, bus_checks(bus), {"backlog": backlog.check, **bus_notices(bus)}))
    document(app)
    app.state.live = live
    return app
