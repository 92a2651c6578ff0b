"""Admission control: refuses new orders while more come than the system handles in time.

Two limits. The commands that wait for the extras service, at all gateways together, are counted in its queue. And each
gateway lets in as many orders at once as are answered within the target (concurrency.py), so that those accepted keep
their latency. A refused guest gets a turn (turns.py), and `Retry-After` says when.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

from chassis.errors import TransientError
from chassis.web.problems import ProblemError
from gateway.concurrency import ConcurrencyLimit
from gateway.turns import Turns

log = structlog.get_logger()

FRESH = 1.0
"""Seconds for which a count is used."""
_FOR_THOSE_WITHOUT_A_TURN = 0.5
"""Of the limit, while turns are given."""


class AdmissionControl:
    """Limits the commands waiting for the extras service, counted at most once a second, and the orders in flight."""

    def __init__(
        self,
        count: Callable[[], Awaitable[int]],
        limit: int,
        target: float = 0.0,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """`limit`: commands that may wait. `target`: seconds in which orders are to be answered; 0: any time."""
        self._count = count
        self._limit = limit
        self._now = now
        self._waiting: int | None = 0
        self._unknown = ""
        self._counted = float("-inf")
        self._counting = asyncio.Lock()
        self._concurrency = ConcurrencyLimit(target, now) if target else None
        self._turns = Turns(now)

    async def admit(self, order_id: str) -> None:
        """Admit one more order. Raises ProblemError 503 if too many are waiting.

        While the number in the queue is unknown only those of this gateway are limited, and `check` says so.
        """
        waiting = await self._depth()
        if waiting is not None and waiting > self._limit:
            raise self._refusal(order_id)
        if not (self._turns.has_come(order_id) or self._has_room()):
            raise self._refusal(order_id)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While an admitted order waits for its answer."""
        if self._concurrency is None:
            yield
            return
        with self._concurrency.waiting():
            yield

    async def check(self) -> str | None:
        """Readiness notice while the limit is off because the number of waiting orders is unknown."""
        if await self._depth() is not None:
            return None
        return f"the limit of {self._limit} waiting orders is off: {self._unknown}"

    def _has_room(self) -> bool:
        if self._concurrency is None:
            return True
        share = _FOR_THOSE_WITHOUT_A_TURN if self._turns.are_given else 1.0
        return self._concurrency.in_flight < self._concurrency.limit * share

    def _refusal(self, order_id: str) -> ProblemError:
        detail = "Many orders are waiting to be handled. Please order again in a moment; this one was not placed."
        seconds = self._turns.give(order_id, self._concurrency.rate if self._concurrency else 0.0)
        headers = {"Retry-After": str(seconds)}
        return ProblemError(503, "too-many-orders-waiting", "Too many orders waiting", detail, headers=headers)

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
