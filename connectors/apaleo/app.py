"""Composition root of the connector: the only module that names its connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from chassis.runtime.background import run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import operator_routes, retry_until_available, web_app
from chassis.storage.store import Store
from chassis.web.request_trace import RequestTrace
from connectors.apaleo.api import ApaleoApi
from connectors.apaleo.booking import Booking, ledgers_in, retention_of
from connectors.apaleo.settings import ApaleoSettings
from connectors.apaleo.webhook import Endpoint

SERVICE = "apaleo-connector"


def create_app(settings: ApaleoSettings, store: Store | None = None) -> Starlette:
    """Build the connector. Nothing connects before the app starts. `store`: another one than the settings name."""
    metrics = Metrics(SERVICE)
    store = store or Store.of(settings, metrics)
    api = ApaleoApi.of(settings)
    ledgers = ledgers_in(store)
    booking = Booking(ledgers, api, settings.terms, store.clock.now, settings.apaleo_timeout)
    retention = retention_of(ledgers, settings.apaleo_retention, store.clock.now)
    endpoint = Endpoint(booking, settings.webhook_secrets, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await retry_until_available(store.sync_clock, ledgers.prepare)
        async with run_loops((store.loop(), *retention.loops())):
            yield
        await api.close()
        store.close()

    routes = [
        # Apaleo is not asked: while it is down, webhooks are answered 503 and come again.
        *operator_routes(metrics, store.checks()),
        Route("/webhooks", endpoint.__call__, methods=["POST"]),
    ]
    app = web_app(routes=routes, lifespan=lifespan)
    app.add_middleware(RequestTrace)
    return app
