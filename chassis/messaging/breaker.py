"""A circuit breaker: a service stops consuming while a dependency it cannot work without is unavailable.

Without it every message would go through the retry tiers and be parked, although all of them are valid. While the
breaker is open the messages stay in their queues, where an instance that still reaches the dependency may take them.
The pattern: Nygard, Release It!, "Circuit Breaker"; here the trial that closes it is a ping, never a guest's order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import structlog

from chassis.errors import ForbiddenError
from chassis.messaging.consumers import Pausable
from chassis.messaging.envelope import utc_now
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics

log = structlog.get_logger()

_PROBE_EVERY = 1.0


class BreaksCircuit(Protocol):
    """What a consumer reports to."""

    def succeeded(self) -> None: ...
    async def trips_on(self, error: Exception) -> bool: ...


class Breaker:
    """Watches one dependency on behalf of the queues of a process that need it."""

    def __init__(
        self,
        dependency: str,
        error_type: type[Exception],
        probe: Callable[[], Awaitable[bool]],
        consuming: Pausable,
        metrics: Metrics,
        *,
        failure_threshold: int = 1,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`error_type` marks failures of this dependency; `probe` is a cheap call, True if the dependency is available.

        After `failure_threshold` such failures in a row the dependency is probed; the breaker opens if that fails.
        A ForbiddenError counts at once, and brings its own probe (`is_over`).
        """
        self._dependency = dependency
        self._error_type = error_type
        self._probe = probe
        self._consuming = consuming
        self._metrics = metrics
        self._failure_threshold = failure_threshold
        self._clock = clock
        self._failures = 0
        self._opened_at: datetime | None = None
        self._refusal: ForbiddenError | None = None
        self._deciding = asyncio.Lock()
        self._gauge = metrics.breaker_open.labels(metrics.service, dependency)
        self._gauge.set(0)
        self._refused_gauge = metrics.refused.labels(metrics.service, dependency)
        self._refused_gauge.set(0)

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def succeeded(self) -> None:
        """A message was handled: earlier failures were no outage, and the count starts again."""
        self._failures = 0

    async def trips_on(self, error: Exception) -> bool:
        """True if the failure shows that the dependency is down. Consumption is paused before this returns."""
        refusal = error if isinstance(error, ForbiddenError) else None
        if refusal is None and not isinstance(error, self._error_type):
            return False
        if refusal is not None:
            self._metrics.forbidden.labels(self._metrics.service, refusal.reason).inc()
        self._failures += 1
        if refusal is None and self._failures < self._failure_threshold and not self.is_open:
            return False
        async with self._deciding:  # concurrent failures share one probe
            if not self.is_open and not await self._is_available(refusal):
                await self._open(error, refusal)
            return self.is_open

    async def probe(self) -> None:
        """While open: probe the dependency, and resume consumption as soon as it answers."""
        async with self._deciding:
            if self.is_open and await self._is_available(self._refusal):
                await self._close()

    def loop(self) -> Loop:
        return Loop(f"probe of {self._dependency}", _PROBE_EVERY, self.probe)

    def check(self) -> Check:
        """Health check: why consumption is paused, and since when."""

        async def breaker() -> str | None:
            if self._opened_at is None:
                return None
            since = self._opened_at.isoformat(timespec="seconds")
            if self._refusal is not None:
                return (
                    f"{self._dependency} refuses this service since {since}: nothing is consumed until it accepts it "
                    f"again. {self._refusal}"
                )
            return f"{self._dependency} is unavailable since {since}: nothing is consumed until it answers again"

        return breaker

    async def _is_available(self, refusal: ForbiddenError | None) -> bool:
        return await (self._probe() if refusal is None else refusal.is_over())

    async def _open(self, error: Exception, refusal: ForbiddenError | None) -> None:
        self._opened_at, self._refusal = self._clock(), refusal
        self._gauge.set(1)
        self._refused_gauge.set(refusal is not None)
        log.error("breaker.opened", dependency=self._dependency, error=str(error), advice="consuming has stopped")
        await self._consuming.pause()

    async def _close(self) -> None:
        assert self._opened_at is not None
        unavailable = self._clock() - self._opened_at
        self._opened_at, self._refusal, self._failures = None, None, 0
        self._gauge.set(0)
        self._refused_gauge.set(0)
        log.warning("breaker.closed", dependency=self._dependency, unavailable_s=round(unavailable.total_seconds(), 1))
        await self._consuming.resume()


class Breakers:
    """The breakers of a queue whose messages need several dependencies."""

    def __init__(self, *breakers: Breaker) -> None:
        self._breakers = breakers

    def succeeded(self) -> None:
        for breaker in self._breakers:
            breaker.succeeded()

    async def trips_on(self, error: Exception) -> bool:
        return any([await breaker.trips_on(error) for breaker in self._breakers])
