"""Windows of time, from now back to the beginning, in which an index by time of creation is read.

MongoDB stops reading an index at a query's limit. SecantusDB decodes every document within the bounds of the index and
sorts and limits them afterwards, so there only bounds on both sides keep an answer small.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chassis.messaging.envelope import utc_now

_FIRST = timedelta(hours=1)
_SHORTEST = timedelta(seconds=1)
_GROWTH = 4
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
"""Before there was Bellhop. The window that reaches it has no lower bound."""
_DAWN = datetime.min.replace(tzinfo=UTC)
"""Windows that grow from a far future, of a date that a person has mistyped, would end before it."""


@dataclass
class Windows:
    """The windows of one search, the newest first.

    `since`: no older ones. `until`: only older ones. `wanted`: documents per window; the next window is shorter after
    one that held more, and longer after one that held less than half of it.
    """

    wanted: int
    since: datetime | None = None
    now: datetime = field(default_factory=utc_now)
    until: datetime | None = None
    _length: timedelta = _FIRST
    _upper: datetime | None = None
    _too_much_until: datetime | None = None
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._upper = self.until

    @property
    def current(self) -> tuple[datetime | None, datetime | None] | None:
        """The bounds of the next window, lower included, upper excluded, None where it is open; None after the last."""
        if self._is_over:
            return None
        lower = self._lower
        if self.since is not None:
            return max(self.since, lower), self._upper
        return (lower if lower > _BEGINNING else None), self._upper

    @property
    def _lower(self) -> datetime:
        upper = self._upper or self.now
        return upper - min(self._length, upper - _DAWN)

    def passed(self, found: int) -> None:
        """Go on behind the current window, which held so many documents."""
        lower = self._lower
        self._is_over = lower <= (self.since or _BEGINNING)
        self._upper = lower
        if found > self.wanted:
            self._length = max(self._length * self.wanted / found, _SHORTEST)
        elif found < self.wanted // 2 and (self._too_much_until is None or lower <= self._too_much_until):
            self._length *= _GROWTH

    @property
    def can_be_shorter(self) -> bool:
        """Whether the current window is longer than the shortest there is."""
        return self._length > _SHORTEST

    def shorten(self) -> None:
        """Try the current window again at a fraction of its length, and grow no more until it has been passed."""
        self._too_much_until = self._lower
        self._length = max(self._length / _GROWTH, _SHORTEST)
