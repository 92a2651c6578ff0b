"""Throttles log lines that outsiders can cause at will, so that they cannot fill a disk."""

from collections.abc import Callable
from time import monotonic


class LogThrottle:
    """Admits one log line per interval, and counts those it suppresses."""

    def __init__(self, every: float, clock: Callable[[], float] = monotonic) -> None:
        """`every` is in seconds."""
        self._every = every
        self._clock = clock
        self._due_at = float("-inf")
        self._held_back = 0

    def admit(self) -> int | None:
        """The number of lines suppressed since the last admitted one, or None to suppress this one, too."""
        now = self._clock()
        if now < self._due_at:
            self._held_back += 1
            return None
        held_back, self._held_back, self._due_at = self._held_back, 0, now + self._every
        return held_back
