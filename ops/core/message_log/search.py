"""Searches the message log."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime

from ops.core import timespec
from ops.core.message_log.gaps import Gaps
from ops.core.message_log.stream import LogStream, Offset
from ops.core.messages import Filter, RecordedMessage

_LONGEST_OFFSET = 18
"""Digits: a larger one does not fit into AMQP's integers."""


async def matching(
    log: LogStream, offset: Offset, wanted: Filter, gaps: Gaps | None = None
) -> AsyncGenerator[RecordedMessage, None]:
    """The messages from `offset` to the newest that match a filter, the oldest first. Raises NoLogError.

    `gaps` sees every message that is read.
    """
    async with aclosing(log.up_to_now(offset)) as messages:
        async for seen in messages:
            if gaps is not None:
                gaps.see(seen)
            if wanted.matches(seen) and is_from(seen, offset):
                yield seen


def is_from(seen: RecordedMessage, offset: Offset) -> bool:
    """Whether a message is not older than requested: the broker finds the chunk of a time, not the message."""
    return isinstance(offset, str | int) or seen.sent_at is None or seen.sent_at >= offset.replace(microsecond=0)


def offset_of(text: str, now: datetime) -> Offset:
    """Parse a starting point. Raises ValueError, worded for people."""
    if text in ("first", "next", "last"):
        return text
    if text.isdecimal() and len(text) <= _LONGEST_OFFSET:
        return int(text)
    try:
        return timespec.parse(text, now)
    except ValueError as unreadable:
        raise ValueError(f"{unreadable}, first, next, or an offset") from None
