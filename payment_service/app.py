"""Composition root of the payment service: the only place that names its concrete parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from starlette.applications import Starlette

from chassis.errors import StoreUnavailableError
from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer
from chassis.messaging.envelope import Delivery
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
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from contracts.topology import PAYMENTS_COMMANDS, PAYMENTS_PSP
from payment_service.collections import PaymentStore
from payment_service.event_backfill import SWEEP_ID, SweepDue
from payment_service.event_backfill import decide as decide_sweep
from payment_service.handlers import PaymentHandlers
from payment_service.payment.decide import decide
from payment_service.payment.polling import DEFAULT
from payment_service.payment.state import PollDue
from payment_service.settings import PaymentSettings

SERVICE = "payment-service"
DEAD_QUEUE = "payments.dead"


def create_app(settings: PaymentSettings) -> Starlette:
    """Build the service. Nothing connects before the app starts."""
    metrics = Metrics(SERVICE)
    bus = Bus.of(settings, SERVICE, metrics)
    store = Store.of(settings, metrics)
    breaker = Breaker("the document store", StoreUnavailableError, store.is_available, bus.consuming, metrics)
    bus.clock = store.clock.now
    kept = PaymentStore(store)
    payments = WritePath(kept.payments, bus, clock=store.clock.now)
    sweeps = WritePath(kept.sweeps, bus, clock=store.clock.now)
    due = SweepDue(settings.psp_sweep_every)
    polls = DEFAULT.scaled(settings.poll_interval_factor)
    handlers = PaymentHandlers(payments, sweeps, kept.holders, polls)
    for queue, table in ((PAYMENTS_COMMANDS, handlers.commands()), (PAYMENTS_PSP, handlers.psp())):
        consumer = Consumer(bus, queue, DEAD_QUEUE, table, metrics, VERSION, breaker)
        bus.subscribe(queue, consumer, prefetch=settings.prefetch)

    async def events_read() -> tuple[int, datetime | None]:
        stored = await kept.sweeps.load(SWEEP_ID)
        return (1, stored.state.since) if stored else (0, None)

    async def sweep_asked() -> tuple[int, datetime | None]:
        stored = await kept.sweeps.load(SWEEP_ID)
        return (1, stored.state.asked_at) if stored else (0, None)

    waiting = Waiting(metrics, store.clock.now)
    payments.watch(waiting, "payments", "refunds")
    sweeps.watch(waiting, "sweeps")
    waiting.watch("psp_events", events_read)
    waiting.watch("psp_sweep", sweep_asked)

    loops = [
        *waiting.loops(),
        *bus_loops(bus),
        breaker.loop(),
        store.loop(),
        *payments.loops("payments", settings.sweep_every),
        Loop(
            "payment polls",
            settings.sweep_every,
            partial(payments.sweep_deadlines, lambda payment, now: decide(payment, PollDue(), now, polls)),
        ),
        *sweeps.loops("sweeps", settings.sweep_every),
        Loop(
            "sweep of the PSP's events",
            settings.sweep_every,
            partial(sweeps.sweep_deadlines, lambda sweep, now: decide_sweep(sweep, due, now)),
        ),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await retry_until_available(store.sync_clock, kept.payments.prepare, kept.sweeps.prepare)
        await bus.start()
        first = Delivery(f"{SWEEP_ID}.first", SWEEP_ID, "start")
        await sweeps.handle(SWEEP_ID, first, lambda sweep, now: decide_sweep(sweep, due, now))
        async with run_loops(loops):
            yield
            await bus.stop()
            await payments.clear_sent()
            await sweeps.clear_sent()
        store.close()

    checks = {
        **bus_checks(bus),
        **store.checks(),
        "breaker": breaker.check(),
        **payments.checks("payments"),
    }
    return web_app(routes=operator_routes(metrics, checks, bus_notices(bus)), lifespan=lifespan)
