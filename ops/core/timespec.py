"""Parses times: `15m`, `2h`, `3d` (ago), `12:30` (today), or a date and time. All in UTC."""

import re
from datetime import UTC, datetime, timedelta

from chassis.text import cut

_AGO = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = 60
"""Characters of an unreadable text that an error repeats."""
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def parse(text: str, now: datetime) -> datetime:
    """The time that `text` means at `now`. Raises ValueError, worded for people."""
    text = text.strip()
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
        if clock := _CLOCK.fullmatch(text):
            hour, minute, second = (int(part or 0) for part in clock.groups())
            return now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        read = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"cannot parse {cut(text, _LONGEST)!r} as a time: write 15m, 2h, 3d (ago), 12:30 (UTC) or 2026-11-24T12:30"
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def relative(then: datetime, now: datetime) -> str:
    """The time since then, in the largest suitable unit: `12 s`, `4 min`, `3 h`, `2 d`."""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
