"""Gaps of the message log that the log itself reports: copies are best effort."""

from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from chassis.messaging.message_log import INSTANCE
from contracts.log import LogClosed, LogGap, LogOpened
from contracts.message import Message
from ops.core.messages import RecordedMessage

Instance = tuple[str, str]

MarkerT = TypeVar("MarkerT", bound=Message)


class Gaps:
    """Collects the gaps of a range of the log. It must see every message of the range, in the log's order."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._last: dict[Instance, datetime | None] = {}
        self._replaced: set[Instance] = set()

    def see(self, seen: RecordedMessage) -> None:
        instance = (seen.sender, str(seen.headers.get(INSTANCE, "")))
        if not instance[1]:
            return  # of an older version
        self._replaced.discard(instance)
        self._last[instance] = seen.sent_at
        if gap := _parsed(seen, LogGap):
            self._said.append(
                f"The log misses {gap.count} messages of {gap.service} "
                f"between {gap.since:%Y-%m-%d %H:%M:%S} and {gap.until:%H:%M:%S} UTC."
            )
        elif _parsed(seen, LogClosed):
            del self._last[instance]
        elif _parsed(seen, LogOpened):
            # Each of the same service either still runs, and writes again, or was killed.
            self._replaced |= {other for other in self._last if other[0] == instance[0] and other != instance}

    def sentences(self) -> list[str]:
        """The known and the possible gaps."""
        perhaps = [
            f"The log may miss what {service} sent around {at:%Y-%m-%d %H:%M:%S} UTC: its process was killed."
            for service, at in sorted((name, self._last[name, instance]) for name, instance in self._replaced)
            if at is not None
        ]
        return [*self._said, *perhaps]


def _parsed(seen: RecordedMessage, marker: type[MarkerT]) -> MarkerT | None:
    if seen.kind != marker.wire_kind():
        return None
    try:
        return marker.model_validate_json(seen.body)
    except ValidationError:
        return None
