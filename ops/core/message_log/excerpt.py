"""Reads the part of the message log that an order needs: all of a short log, of a long one what lies around some times.

The log has no index by order, and one of a week can hold millions of messages, at some 10,000 a second. A document's
history says when something happened to it: the broker finds a time at once.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops.core.message_log.stream import LogStream, Offset
from ops.core.messages import RecordedMessage

READ_AT_ONCE = 10_000
"""Messages, about a second's. Where the log has more, only a part is read."""
MARGINS = (timedelta(minutes=10), timedelta(minutes=1), timedelta(seconds=10), timedelta(seconds=2))
"""Around each change: the first that does not exceed READ_AT_ONCE, else the last. The changes are dated by the store's
clock, the log by the broker's."""

Window = tuple[datetime, datetime]
Range = tuple[int, int]
"""Offsets, the second excluded."""


@dataclass
class Excerpt:
    """What is needed of the log: from `begin` on, and at least what was sent around `times`."""

    begin: Offset
    times: Sequence[datetime] = ()
    is_whole: bool = False
    """Read everything since `begin`, however much it is."""
    remarks: list[str] = field(default_factory=list)
    """What was not read, added by the reader."""


async def read(log: LogStream, wanted: Excerpt) -> AsyncGenerator[RecordedMessage, None]:
    """The messages of an excerpt, in the log's order. Raises NoLogError."""
    for begin, end in await _ranges(log, wanted):
        async with aclosing(log.between(begin, end)) as messages:
            async for seen in messages:
                yield seen


async def _ranges(log: LogStream, wanted: Excerpt) -> list[Range]:
    newest = await log.newest()
    if newest is None:
        return []
    end = newest + 1
    begin = await log.offset_of(wanted.begin, end)
    if wanted.is_whole or end - begin <= READ_AT_ONCE:
        return [(begin, end)]
    if not wanted.times:
        wanted.remarks.append(
            f"Of the log's {end - begin:,} messages only the newest {READ_AT_ONCE:,} were read: "
            "`bellhop trace --whole-log`."
        )
        return [(end - READ_AT_ONCE, end)]
    ranges, margin = list[Range](), MARGINS[0]
    for margin in MARGINS:
        ranges = [
            (await log.offset_of(since, end), await log.offset_of(until, end))
            for since, until in windows(wanted.times, margin)
        ]
        if _size(ranges) <= READ_AT_ONCE:
            break
    wanted.remarks.append(
        f"Of the log's {end - begin:,} messages since then, the {_size(ranges):,} sent within {_words(margin)} "
        "of a change were read. What changed nothing at another time is missing: `bellhop trace --whole-log`."
    )
    return ranges


def windows(times: Sequence[datetime], margin: timedelta) -> list[Window]:
    """The times with their margins, the oldest first. Those that overlap are one."""
    found: list[Window] = []
    for at in sorted(times):
        if found and at - margin <= found[-1][1]:
            found[-1] = found[-1][0], at + margin
        else:
            found.append((at - margin, at + margin))
    return found


def _size(ranges: Sequence[Range]) -> int:
    return sum(end - begin for begin, end in ranges)


def _words(margin: timedelta) -> str:
    seconds = int(margin.total_seconds())
    return f"{seconds} seconds" if seconds < 60 else f"{seconds // 60} minutes" if seconds > 60 else "a minute"
