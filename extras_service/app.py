"""Composition root of the extras service: the only place that names its concrete parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette

from chassis.errors import StoreUnavailableError
from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import (
    VERSION,
    bus_checks,
    bus_loops,
    bus_notices,
    operator_routes,
    retry_until_available,
    web_app,
)
from chassis.runtime.waiting import Waiting
from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_PAYMENTS, EXTRAS_QUERIES, EXTRAS_STOCK
from extras_service.catalogue_file import read_catalogue
from extras_service.collections import ExtrasStore
from extras_service.handlers import ExtrasHandlers
from extras_service.order.decide import decide
from extras_service.order.placement import Placement
from extras_service.order.review_keeper import ReviewKeeper
from extras_service.order.state import DeadlinePassed
from extras_service.settings import ExtrasSettings
from extras_service.stock.keeper import StockKeeper

SERVICE = "extras-service"
DEAD_QUEUE = "extras.dead"


def create_app(settings: ExtrasSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts. Raises CatalogueError."""
    extras = read_catalogue(settings.catalogue_file) if settings.catalogue_file else {}
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    store = Store.of(settings, metrics)
    breaker = Breaker("the document store", StoreUnavailableError, store.is_available, bus.consuming, metrics)
    bus.clock = store.clock.now
    kept = ExtrasStore(store)
    orders = WritePath(kept.orders, bus, clock=store.clock.now)
    days = WritePath(kept.stock, bus, clock=store.clock.now)
    stock = StockKeeper(days, kept.stock, kept.orders, settings.pay_within, store.clock.now)
    placement = Placement(orders, kept, stock, settings.terms)
    reviews = ReviewKeeper(orders, kept, stock, AuditLog(store))
    handlers = ExtrasHandlers(orders, kept, stock, placement, reviews, bus)
    tables = {
        EXTRAS_COMMANDS.name: handlers.commands(),
        EXTRAS_PAYMENTS.name: handlers.payments(),
        EXTRAS_STOCK.name: handlers.closed(),
    }
    for queue, table in tables.items():
        consumer = Consumer(bus, queue, DEAD_QUEUE, table, metrics, VERSION, breaker)
        bus.subscribe(queue, consumer, prefetch=settings.prefetch)
    queries = Consumer(bus, EXTRAS_QUERIES, None, handlers.queries(), metrics, VERSION, breaker)
    bus.subscribe(EXTRAS_QUERIES, queries, prefetch=settings.prefetch)

    waiting = Waiting(metrics, store.clock.now)
    orders.watch(waiting, "orders")
    waiting.watch("orders_in_review", kept.reviews)
    waiting.watch("refunds_failed", kept.failed_refunds)
    days.watch(waiting, "stock")

    loops = [
        *waiting.loops(),
        *bus_loops(bus),
        breaker.loop(),
        store.loop(),
        *orders.loops("orders", settings.sweep_every),
        Loop(
            "order deadlines",
            settings.sweep_every,
            partial(orders.sweep_deadlines, lambda order, now: decide(order, DeadlinePassed(), now)),
        ),
        Loop("lapsed holds", settings.sweep_every, stock.sweep),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await retry_until_available(store.sync_clock, kept.prepare, partial(kept.extras.put, extras))
        await bus.start()
        async with run_loops(loops):
            yield
            await bus.stop()
            await orders.clear_sent()
        store.close()

    checks = {
        **bus_checks(bus),
        **store.checks(),
        "breaker": breaker.check(),
        **orders.checks("orders"),
        **days.checks("days of stock"),
    }
    return web_app(routes=operator_routes(metrics, checks, bus_notices(bus)), lifespan=lifespan)
