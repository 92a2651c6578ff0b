"""When refused guests may order again: one after the other, as fast as orders are being answered.

A guest who comes back when `Retry-After` says is let in: the turn was kept. Guests who do not come back leave theirs to
those who have none.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

SOONEST, LATEST = 5.0, 30.0
"""Seconds after which a refused guest may order again."""
_KEPT = 10_000
_KEPT_FOR = 10.0
"""Seconds after its time for which a turn is kept."""
_SHARE = 0.8
"""Of the orders that are answered, those given away as turns: what is left is for new guests, and for errors."""
_SLOWEST = 1.0


class Turns:
    """By order id, which is the same for a repeated request with its Idempotency-Key."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._turns: OrderedDict[str, float] = OrderedDict()
        self._last = float("-inf")

    @property
    def are_given(self) -> bool:
        """Whether guests will come back whose turn is still to come."""
        return self._last > self._now()

    def give(self, order_id: str, rate: float) -> int:
        """Whole seconds after which this order may be placed. An order that has a turn keeps it.

        `rate`: orders answered per second.
        """
        now = self._now()
        turn = self._turns.get(order_id)
        if turn is None or turn < now:
            turn = max(now + SOONEST, self._last + 1 / max(_SLOWEST, rate * _SHARE))
            if turn > now + LATEST:
                return int(LATEST)  # too late to be kept: then as any other guest
            self._forget(now)
            self._turns[order_id] = self._last = turn
        return math.ceil(round(turn - now, 3))

    def has_come(self, order_id: str) -> bool:
        """Whether it is this order's turn. A turn is used once."""
        turn, now = self._turns.get(order_id), self._now()
        if turn is None or turn > now:
            return False
        del self._turns[order_id]
        return now <= turn + _KEPT_FOR

    def _forget(self, now: float) -> None:
        while self._turns:
            order_id, turn = next(iter(self._turns.items()))
            if turn + _KEPT_FOR > now and len(self._turns) < _KEPT:
                return
            del self._turns[order_id]
