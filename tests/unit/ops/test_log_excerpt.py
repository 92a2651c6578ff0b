"""How much of the message log is read for one order."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import cast

from ops.core.message_log.excerpt import MARGINS, READ_AT_ONCE, Excerpt, read, windows
from ops.core.message_log.stream import LogStream, Offset
from ops.core.messages import RecordedMessage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Log:
    """A log that ends now, with messages at even intervals."""

    def __init__(self, size: int, every: timedelta) -> None:
        self.size = size
        self.every = every
        self.began = NOW - size * every
        self.sought = 0

    async def newest(self) -> int | None:
        return self.size - 1 if self.size else None

    async def offset_of(self, begin: Offset, end: int) -> int:
        self.sought += 1
        if isinstance(begin, datetime):
            return min(max(0, int((begin - self.began) / self.every)), end)
        return 0 if begin == "first" else int(begin)

    async def between(self, begin: int, end: int) -> AsyncGenerator[RecordedMessage, None]:
        for offset in range(begin, end):
            yield RecordedMessage(message_id=str(offset), kind="test.v1", body=b"", offset=offset)

    async def read(self, wanted: Excerpt) -> list[int]:
        return [seen.offset or 0 async for seen in read(cast(LogStream, self), wanted)]

    def at(self, offset: int) -> datetime:
        return self.began + offset * self.every


async def test_a_short_log_is_read_from_the_beginning_of_the_order() -> None:
    log = Log(READ_AT_ONCE, SECOND)
    wanted = Excerpt(log.at(100), [log.at(160)])

    assert await log.read(wanted) == list(range(100, READ_AT_ONCE))
    assert wanted.remarks == []


async def test_a_long_log_is_read_around_the_changes_and_says_so() -> None:
    log = Log(1_000_000, SECOND)
    placed, refunded = 400_000, 900_000
    wanted = Excerpt(log.at(placed), [log.at(placed), log.at(placed + 30), log.at(refunded)])

    offsets = await log.read(wanted)

    assert offsets == [*range(placed - 600, placed + 630), *range(refunded - 600, refunded + 600)]
    assert log.sought < 10
    assert wanted.remarks == [
        "Of the log's 600,000 messages since then, the 2,430 sent within 10 minutes of a change were read. "
        "What changed nothing at another time is missing: `bellhop trace --whole-log`."
    ]


async def test_the_busier_the_log_the_less_is_read_around_each_change() -> None:
    log = Log(1_000_000, SECOND / 250)
    wanted = Excerpt(log.at(1_000), [log.at(500_000), log.at(700_000)])

    offsets = await log.read(wanted)

    assert len(offsets) == 2 * 2 * 10 * 250
    assert {500_000, 700_000} <= set(offsets)
    assert offsets == sorted(offsets)


async def test_with_many_changes_on_a_busy_log_the_narrowest_margin_is_read() -> None:
    log = Log(1_000_000, SECOND / 250)
    wanted = Excerpt("first", [log.at(number) for number in range(1_000, 1_000_000, 50_000)])

    offsets = await log.read(wanted)

    assert len(offsets) <= 20 * 2 * MARGINS[-1].total_seconds() * 250


async def test_the_whole_log_is_read_on_demand() -> None:
    log = Log(3 * READ_AT_ONCE, SECOND)

    offsets = await log.read(Excerpt(log.at(5), [log.at(5)], is_whole=True))

    assert offsets == list(range(5, 3 * READ_AT_ONCE))


async def test_of_an_order_that_no_document_knows_the_newest_messages_are_read() -> None:
    log = Log(1_000_000, SECOND)
    wanted = Excerpt("first")

    offsets = await log.read(wanted)

    assert offsets == list(range(1_000_000 - READ_AT_ONCE, 1_000_000))
    assert wanted.remarks == [
        "Of the log's 1,000,000 messages only the newest 10,000 were read: `bellhop trace --whole-log`."
    ]


async def test_changes_older_than_the_log_cost_nothing() -> None:
    log = Log(1_000_000, SECOND)
    wanted = Excerpt(
        log.began - timedelta(days=300), [log.began - timedelta(days=299), log.began - timedelta(days=200)]
    )

    assert await log.read(wanted) == []


async def test_an_empty_log_has_nothing() -> None:
    assert await Log(0, SECOND).read(Excerpt("first", [NOW])) == []


def test_windows_that_overlap_are_one() -> None:
    times = [NOW + 5 * SECOND, NOW, NOW + 60 * SECOND]

    assert windows(times, 4 * SECOND) == [
        (NOW - 4 * SECOND, NOW + 9 * SECOND),
        (NOW + 56 * SECOND, NOW + 64 * SECOND),
    ]
