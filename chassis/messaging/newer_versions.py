"""Reports, for readiness, which messages a process leaves to a newer version of its service."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from chassis.messaging.envelope import utc_now

_SHOWN_FOR = timedelta(minutes=1)


class NewerVersions:
    """Remembers the last message or document that only a newer version can handle."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._last: tuple[datetime, str] | None = None

    def leave(self, reason: str) -> None:
        """Record that a message was left to a newer version."""
        self._last = (self._clock(), reason)

    def notices(self) -> dict[str, Callable[[], Awaitable[str | None]]]:
        """Readiness notice, shown for a minute after the last such message."""

        async def newer() -> str | None:
            if self._last is None or self._clock() - self._last[0] > _SHOWN_FOR:
                return None
            return f"messages are left to a newer version of this service: {self._last[1]}"

        return {"newer versions": newer}
