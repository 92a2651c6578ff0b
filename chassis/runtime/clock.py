"""A clock that instances share: another party's time, continued by the monotonic clock.

Deadlines, holds and reports are compared by several processes. Their machines' wall clocks may be an hour apart or jump
back, so they use the time of a party that all of them know: the document store, the PSP, the extras service.
docs/time.md lists what else depends on wall clocks.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

log = structlog.get_logger()

SYNC_EVERY = 10.0
"""Seconds between two readings of the other party's clock."""

_STATED_SKEW = timedelta(seconds=60)

_AGREES = timedelta(seconds=1)
"""Tolerated difference between two readings."""

_SECOND = timedelta(seconds=1)


class SharedClock:
    """Until it is set, it continues this machine's wall clock as of its creation."""

    def __init__(
        self,
        whose: str,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = monotonic,
    ) -> None:
        """`whose` names the other party in log lines."""
        self._whose = whose
        self._wall = wall
        self._steady = steady
        self._time, self._at = wall(), steady()
        self._set_at: float | None = None
        self._is_reported = False

    def now(self) -> datetime:
        return self._time + timedelta(seconds=self._steady() - self._at)

    @property
    def age(self) -> float:
        """Seconds since it was set; infinite before."""
        return self._steady() - self._set_at if self._set_at is not None else float("inf")

    def steady(self) -> float:
        """The monotonic clock in seconds, for the `asked_at` of `set`."""
        return self._steady()

    def set(self, time: datetime, asked_at: float) -> None:
        """Set the clock to the other party's time, which was read at some moment since `asked_at`.

        While the clock already agrees with it, it is left unchanged to the microsecond: slow answers would otherwise
        move it back and forth, and events would be recorded out of order.
        """
        at = self._steady()
        self._keep_or_set(time - _AGREES, time + timedelta(seconds=at - asked_at) + _AGREES, time, (asked_at + at) / 2)

    def set_by_seconds(self, time: datetime, asked_at: float) -> None:
        """As `set`, for a time in whole seconds such as HTTP's `Date`.

        The clock is never set ahead of the other party's. It is behind by less than a second plus the answer's latency,
        and comes closer with each answer that shows it to be behind.
        """
        at = self._steady()
        self._keep_or_set(time, time + timedelta(seconds=at - asked_at) + _SECOND, time, at)

    def _keep_or_set(self, least: datetime, most: datetime, time: datetime, at: float) -> None:
        if self._set_at is None or not least <= self.now() <= most:
            self._time, self._at = time, at
        self._set_at = self._steady()
        skew = self._wall() - self.now()
        if abs(skew) > _STATED_SKEW and not self._is_reported:
            log.warning("clock.skewed", compared_with=self._whose, skew_s=round(skew.total_seconds()))
        self._is_reported = abs(skew) > _STATED_SKEW

    async def sync(self, ask: Callable[[], Awaitable[datetime]]) -> None:
        """Read the other party's time."""
        asked_at = self.steady()
        self.set(await ask(), asked_at)
