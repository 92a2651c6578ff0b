"""Gauges of waiting items: their number, and the age of the oldest. They have a value from the start, so that an alert
on them fires the first time."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog

from chassis.errors import TransientError
from chassis.messaging.envelope import utc_now
from chassis.runtime.background import Loop
from chassis.runtime.metrics import Metrics

log = structlog.get_logger()

Count = Callable[[], Awaitable[tuple[int, datetime | None]]]
"""The number of waiting items, and since when the oldest waits; None if there is none."""

EVERY = 10.0
"""Seconds between two counts."""


class Waiting:
    """The waiting items of one service. While the store does not answer, the gauges keep their last values."""

    def __init__(self, metrics: Metrics, clock: Callable[[], datetime] = utc_now) -> None:
        self._metrics = metrics
        self._clock = clock
        self._counts: dict[str, Count] = {}

    def watch(self, what: str, count: Count) -> None:
        """Show a count under the label `what` of `bellhop_waiting` and `bellhop_waiting_oldest_seconds`."""
        self._counts[what] = count
        self._show(what, 0, None)

    def loops(self, every: float = EVERY) -> tuple[Loop, ...]:
        """Background loops that update the gauges: one each, so that one failure stops no other."""
        return tuple(Loop(f"gauge of {what}", every, partial(self._update, what)) for what in self._counts)

    async def _update(self, what: str) -> None:
        try:
            self._show(what, *await self._counts[what]())
        except TransientError as error:
            log.debug("gauge.kept", what=what, error=str(error))

    def _show(self, what: str, number: int, oldest: datetime | None) -> None:
        age = (self._clock() - oldest).total_seconds() if oldest is not None else 0.0
        self._metrics.waiting.labels(self._metrics.service, what).set(number)
        self._metrics.waiting_oldest.labels(self._metrics.service, what).set(max(0.0, age))
