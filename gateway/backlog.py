"""How many orders wait to be handled: beyond a limit a new one is refused, instead of waiting with the others."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from chassis.errors import TransientError
from gateway.problems import ProblemError

log = structlog.get_logger()

FRESH = 1.0
"""Seconds a count is good for."""
RETRY_AFTER = 5
"""Seconds after which somebody refused may try again."""


class Backlog:
    """Commands waiting for the extras service, counted at most once a second however many ask."""

    def __init__(self, count: Callable[[], Awaitable[int]], limit: int, now: Callable[[], float] = monotonic) -> None:
        self._count = count
        self._limit = limit
        self._now = now
        self._waiting = 0
        self._counted = float("-inf")
        self._counting = asyncio.Lock()

    async def admit(self) -> None:
        """Let one more order in. Raises ProblemError 503 when too many wait already."""
        if await self._depth() > self._limit:
            detail = "Many orders are waiting to be handled. Please order again in a moment; nothing was taken yet."
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise ProblemError(503, "too-many-orders-waiting", "Too many orders waiting", detail, headers=headers)

    async def _depth(self) -> int:
        async with self._counting:
            if self._now() - self._counted > FRESH:
                try:
                    self._waiting = await self._count()
                except TransientError as unknown:
                    # Whoever cannot count will not be able to publish either, and then says so.
                    log.warning("backlog.unknown", error=str(unknown))
                    self._waiting = 0
                self._counted = self._now()
            return self._waiting
