"""The audit log is read in windows of time, not at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.storage import audit_log
from chassis.storage.audit_log import AuditLog
from chassis.storage.records import MongoRecords
from tests.support.fake_store import FakeStore

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ENTRIES = 2_000


async def filled(monkeypatch: pytest.MonkeyPatch) -> AuditLog:
    """With one entry for each hour, the newest an hour old."""
    entries = AuditLog(FakeStore())
    for number in range(ENTRIES, 0, -1):
        monkeypatch.setattr(audit_log, "utc_now", lambda number=number: NOW - number * HOUR)
        async with entries.recorded("replay", "olga", str(number), ("rp_1",)):
            pass
    monkeypatch.setattr(audit_log, "utc_now", lambda: NOW)
    return entries


async def test_all_entries_are_read_a_part_at_a_time_the_newest_last(monkeypatch: pytest.MonkeyPatch) -> None:
    entries, sizes, between = await filled(monkeypatch), list[int](), MongoRecords.between

    async def counted(*args: Any) -> dict[str, Any]:
        page = await between(*args)
        sizes.append(len(page))
        return page

    monkeypatch.setattr(MongoRecords, "between", counted)
    found = await entries.entries()

    assert [entry.why for entry in found] == [str(number) for number in range(ENTRIES, 0, -1)]
    assert max(sizes) <= 1_500
    assert len(sizes) < 30


async def test_the_newest_are_read_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = await filled(monkeypatch)

    newest = await entries.entries(limit=3)
    since = await entries.entries(NOW - 10 * HOUR)

    assert [entry.why for entry in newest] == ["3", "2", "1"]
    assert [entry.why for entry in since] == [str(number) for number in range(10, 0, -1)]
