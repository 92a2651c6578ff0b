"""What makes the parts of a service that keeps documents a process: consumers, breaker, gauges, loops, start, stop."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Protocol

import structlog
from starlette.applications import Starlette

from chassis.errors import StoreUnavailableError
from chassis.messaging.breaker import Breaker, Breakers
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer, Handlers
from chassis.runtime.background import Loop, run_loops
from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics
from chassis.runtime.startup import (
    VERSION,
    bus_checks,
    bus_loops,
    bus_notices,
    operator_routes,
    retry_until_available,
    start_bus,
    web_app,
)
from chassis.runtime.waiting import Waiting
from chassis.storage.settings import StoreSettings
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from contracts.accounts import BY_NAME
from contracts.topology import EVENTS

log = structlog.get_logger()


class Parts(Protocol):
    """What a service's own `wire` returns."""

    @property
    def tables(self) -> Mapping[str, Handlers]: ...
    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]: ...
    def loops(self, sweep_every: float) -> tuple[Loop, ...]: ...
    def checks(self) -> dict[str, Check]: ...
    def watch(self, waiting: Waiting) -> None: ...


def document_service(
    parts: Parts,
    bus: Bus,
    store: Store,
    metrics: Metrics,
    settings: StoreSettings,
    *,
    sweep_every: float,
    before: tuple[Callable[[], Awaitable[object]], ...],
    after: tuple[Callable[[], Awaitable[object]], ...] = (),
    breakers: Mapping[str, Breaker] | None = None,
) -> Starlette:
    """The service as an app. Nothing connects before it starts.

    `before`: steps to take before anything is consumed, retried while the store is unavailable. `after`: steps once the
    bus is open. `sweep_every` in seconds. `breakers`: of dependencies that only the messages of one queue need, by its
    name; while one is open, the process is ready, and its other queues are consumed.
    """
    breaker = Breaker("the document store", StoreUnavailableError, store.is_available, bus.consuming, metrics)
    bus.clock = store.clock.now
    others = breakers or {}
    for queue, handlers in parts.tables.items():
        both = Breakers(breaker, others[queue]) if queue in others else breaker
        consumer = Consumer(bus, queue, handlers, metrics, VERSION, both)
        bus.subscribe(queue, consumer, prefetch=settings.prefetch)
    metrics.expect_events(BY_NAME[metrics.service].sends.get(EVENTS.name, ()) if metrics.service in BY_NAME else ())
    waiting = Waiting(metrics, store.clock.now)
    parts.watch(waiting)
    loops = [
        *waiting.loops(),
        *bus_loops(bus),
        breaker.loop(),
        *(each.loop() for each in others.values()),
        store.loop(),
        *parts.loops(sweep_every),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await retry_until_available(store.sync_clock, *before)
        await start_bus(bus, *after)
        async with run_loops(loops):
            yield
            until = monotonic() + settings.graceful_timeout
            await bus.stop()
            await _clear(parts.paths, until)
        store.close()

    checks = {**bus_checks(bus), **store.checks(), "breaker": breaker.check(), **parts.checks()}
    notices = bus_notices(bus) | {f"breaker of {queue}": each.check() for queue, each in others.items()}
    return web_app(routes=operator_routes(metrics, checks, notices), lifespan=lifespan)


async def _clear(paths: tuple[WritePath[Any, Any], ...], until: float) -> None:
    """Clear what was published, as far as the time for stopping allows: after an hour of load it may be thousands."""
    for path in paths:
        try:
            left = await path.clear_sent(until)
        except StoreUnavailableError as error:
            log.warning("outbox.uncleared", error=str(error))
        else:
            if left:
                log.warning("outbox.uncleared", documents=left)
