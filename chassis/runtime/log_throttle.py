"""Log lines an outsider can cause at will are written seldom, so that they fill no disk."""

from collections.abc import Callable
from time import monotonic


class LogThrottle:
    """Lets one of many through in every interval, and knows how many it held back."""

    def __init__(self, every: float, clock: Callable[[], float] = monotonic) -> None:
        """`every` is in seconds."""
        self._every = every
        self._clock = clock
        self._due_at = float("-inf")
        self._held_back = 0

    def admit(self) -> int | None:
        """How many were held back since the last one, or None when this one is to be held back as well."""
        now = self._clock()
        if now < self._due_at:
            self._held_back += 1
            return None
        held_back, self._held_back, self._due_at = self._held_back, 0, now + self._every
        return held_back
