"""Admission control: refuses new orders while too many wait to be handled."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import structlog

from chassis.errors import TransientError
from chassis.web.problems import ProblemError

log = structlog.get_logger()

FRESH = 1.0
"""Seconds for which a count is used."""
RETRY_AFTER = 5
"""Seconds after which a refused client may try again."""


class AdmissionControl:
    """Limits the commands waiting for the extras service. They are counted at most once a second."""

    def __init__(self, count: Callable[[], Awaitable[int]], limit: int, now: Callable[[], float] = monotonic) -> None:
        self._count = count
        self._limit = limit
        self._now = now
        self._waiting: int | None = 0
        self._unknown = ""
        self._counted = float("-inf")
        self._counting = asyncio.Lock()

    async def admit(self) -> None:
        """Admit one more order. Raises ProblemError 503 if too many are waiting.

        While the number is unknown there is no limit, and `check` says so.
        """
        waiting = await self._depth()
        if waiting is not None and waiting > self._limit:
            detail = "Many orders are waiting to be handled. Please order again in a moment; this one was not placed."
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise ProblemError(503, "too-many-orders-waiting", "Too many orders waiting", detail, headers=headers)

    async def check(self) -> str | None:
        """Readiness notice while the limit is off because the number of waiting orders is unknown."""
        if await self._depth() is not None:
            return None
        return f"the limit of {self._limit} waiting orders is off: {self._unknown}"

    async def _depth(self) -> int | None:
        """The number of waiting commands, or None if it is unknown."""
        async with self._counting:
            if self._now() - self._counted > FRESH:
                try:
                    self._waiting = await self._count()
                except TransientError as unknown:
                    if self._waiting is not None:
                        log.warning("backlog.unknown", error=str(unknown))
                    self._waiting, self._unknown = None, str(unknown)
                self._counted = self._now()
            return self._waiting
