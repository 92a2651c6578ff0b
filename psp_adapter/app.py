"""Composition root of the PSP adapter: the only module that names its concrete components."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.runtime import background
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import VERSION, bus_checks, bus_loops, bus_notices, operator_routes, start_bus, web_app
from chassis.seal import Seal
from contracts import services
from contracts.topology import PSP_COMMANDS, PSP_QUERIES
from psp_adapter.account_watch import AccountWatch
from psp_adapter.accounts import connect_accounts
from psp_adapter.closing import ClosingHandlers
from psp_adapter.errors import Forbidden, PspUnavailableError
from psp_adapter.event_backfill import EventBackfill
from psp_adapter.event_parking import EventParking
from psp_adapter.handlers import AdapterHandlers
from psp_adapter.settings import AdapterSettings
from psp_adapter.webhook import Webhook

SERVICE = services.ADAPTER
_LOOK_EVERY = 60.0


def create_app(settings: AdapterSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    accounts = connect_accounts(
        settings.accounts,
        base=settings.stripe_api_base,
        timeout=settings.stripe_timeout,
        retries=settings.stripe_retries,
        installation=settings.installation,
        statement_descriptor_suffix=settings.stripe_statement_descriptor_suffix,
    )
    clock = accounts.default.stripe.clock
    bus.clock = clock.now
    parking = EventParking(bus, metrics)
    handlers = AdapterHandlers(accounts, bus, Seal(settings.seal_keys), EventBackfill(accounts, bus, parking))
    breaker = Breaker(
        "the PSP",
        PspUnavailableError,
        accounts.answer,
        bus.consuming,
        metrics,
        failure_threshold=settings.stripe_breaker_threshold,
    )
    for reason in Forbidden:
        metrics.forbidden.labels(SERVICE, reason)
    commands = Consumer(bus, PSP_COMMANDS, handlers.commands(), metrics, VERSION, breaker)
    bus.subscribe(PSP_COMMANDS, commands, prefetch=settings.prefetch)
    closing = ClosingHandlers(accounts, bus)
    bus.subscribe(PSP_QUERIES, Consumer(bus, PSP_QUERIES, closing.queries(), metrics, VERSION, breaker), prefetch=2)
    webhook = Webhook(bus, metrics, accounts, parking, clock)
    watch = AccountWatch(accounts, metrics)

    async def look() -> None:
        """Read Stripe's clock, and check the accounts before a command needs them. A time-out does not stop the
        start."""
        await accounts.answer()
        refused = await watch.look()
        if refused is not None and not accounts.are_several:
            await breaker.trips_on(refused)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await start_bus(bus)
        first_look = background.start(look(), "first look at Stripe")
        async with run_loops((*bus_loops(bus), breaker.loop(), Loop("look at Stripe", _LOOK_EVERY, look))):
            yield
            first_look.cancel()
            await bus.stop()
        await accounts.close()

    notices = {"breaker": breaker.check(), "accounts": watch.check(), **bus_notices(bus)}
    routes = [
        # Webhooks are accepted while the PSP's API is unavailable, so the breaker does not make the adapter unready.
        *operator_routes(metrics, bus_checks(bus), notices),
        Route("/webhooks/stripe", webhook.__call__, methods=["POST"]),
        Route("/webhooks/stripe/{account}", webhook.__call__, methods=["POST"]),
    ]
    return web_app(routes=routes, lifespan=lifespan)
