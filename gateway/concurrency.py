"""How many new orders may wait for the extras service at once: as many as it answers in time.

Additive increase, multiplicative decrease, as TCP finds a path's capacity: no gateway knows how many instances of a
service there are, how fast their store is, or how many other gateways ask.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from chassis.messaging.requests import ReplyTimeoutError

LEAST, MOST = 4.0, 1000.0
_FIRST = 64.0
_LESS = 0.7
_RATE_OVER = 5.0
"""Seconds over which answers are counted."""


class ConcurrencyLimit:
    """Counts the orders that are waiting for an answer, and learns from how long each has taken."""

    def __init__(self, target: float, now: Callable[[], float] = monotonic) -> None:
        """`target` in seconds: while answers take longer, fewer orders are let in at once."""
        self._target = target
        self._now = now
        self.limit = _FIRST
        self.in_flight = 0
        self._reduced = float("-inf")
        self._answered: deque[float] = deque()

    @property
    def rate(self) -> float:
        """Orders answered in time per second of late."""
        self._forget()
        return len(self._answered) / _RATE_OVER

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While an order waits. A failure other than a late answer teaches nothing."""
        began = self._now()
        self.in_flight += 1
        try:
            yield
        except ReplyTimeoutError:
            self._learn(began)
            raise
        else:
            self._learn(began)
        finally:
            self.in_flight -= 1

    def _learn(self, began: float) -> None:
        now = self._now()
        if now - began <= self._target:
            self._forget()
            self._answered.append(now)
            if self.in_flight > self.limit / 2:
                self.limit = min(MOST, self.limit + 1 / self.limit)
        elif began >= self._reduced:  # what was sent before the last reduction shows nothing of its effect
            self.limit = max(LEAST, self.limit * _LESS)
            self._reduced = now

    def _forget(self) -> None:
        oldest = self._now() - _RATE_OVER
        while self._answered and self._answered[0] < oldest:
            self._answered.popleft()
