"""Composition root of the PSP adapter: the only module that names its concrete components."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.routing import Route

from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.runtime import background
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import VERSION, bus_checks, bus_loops, bus_notices, operator_routes, web_app
from chassis.seal import Seal
from contracts import services
from contracts.topology import PSP_COMMANDS, PSP_QUERIES
from psp_adapter.closing import ClosingHandlers
from psp_adapter.errors import Forbidden, PspForbiddenError, PspUnavailableError
from psp_adapter.event_backfill import EventBackfill
from psp_adapter.event_parking import EventParking
from psp_adapter.events import EventTranslator
from psp_adapter.expected_account import ExpectedAccount
from psp_adapter.handlers import AdapterHandlers
from psp_adapter.settings import AdapterSettings
from psp_adapter.stripe_api import StripeApi
from psp_adapter.webhook import Webhook

SERVICE = services.ADAPTER
_LOOK_EVERY = 60.0


def create_app(settings: AdapterSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    api = StripeApi.connect(
        settings.stripe_api_key.get_secret_value(),
        base=settings.stripe_api_base,
        timeout=settings.stripe_timeout,
        retries=settings.stripe_retries,
        installation=settings.installation,
        statement_descriptor_suffix=settings.stripe_statement_descriptor_suffix,
    )
    bus.clock = api.clock.now
    events = EventTranslator(api)
    parking = EventParking(bus, metrics)
    account = ExpectedAccount(api, settings.stripe_account)
    backfill = EventBackfill(api, bus, events, parking)
    handlers = AdapterHandlers(api, bus, Seal(settings.seal_keys), backfill, account.check)
    breaker = Breaker(
        "the PSP",
        PspUnavailableError,
        api.answers,
        bus.consuming,
        metrics,
        failure_threshold=settings.stripe_breaker_threshold,
    )
    for reason in Forbidden:
        metrics.forbidden.labels(SERVICE, reason)
    commands = Consumer(bus, PSP_COMMANDS, handlers.commands(), metrics, VERSION, breaker)
    bus.subscribe(PSP_COMMANDS, commands, prefetch=settings.prefetch)
    closing = ClosingHandlers(api, bus, account.check)
    bus.subscribe(PSP_QUERIES, Consumer(bus, PSP_QUERIES, closing.queries(), metrics, VERSION, breaker), prefetch=2)
    webhook = Webhook(bus, metrics, settings.webhook_secrets, events, parking, api.clock)

    async def look() -> None:
        """Read Stripe's clock, and check the account before a command needs it. A time-out does not stop the start."""
        await api.answers()
        with suppress(PspUnavailableError):
            try:
                await account.check()
            except PspForbiddenError as refused:
                await breaker.trips_on(refused)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await bus.start()
        first_look = background.start(look(), "first look at Stripe")
        async with run_loops((*bus_loops(bus), breaker.loop(), Loop("look at Stripe", _LOOK_EVERY, look))):
            yield
            first_look.cancel()
            await bus.stop()
        await api.close()

    routes = [
        # Webhooks are accepted while the PSP's API is unavailable, so the breaker does not make the adapter unready.
        *operator_routes(metrics, bus_checks(bus), {"breaker": breaker.check(), **bus_notices(bus)}),
        Route("/webhooks/stripe", webhook.__call__, methods=["POST"]),
    ]
    return web_app(routes=routes, lifespan=lifespan)
