"""Moments as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from ops.core import timespec

NOW = datetime(2026, 11, 24, 15, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("12:05", NOW.replace(hour=12, minute=5, second=0)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00:00+01:00", datetime(2026, 11, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, meant: datetime) -> None:
    assert timespec.parse(text, NOW) == meant


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "5 parsecs"])
def test_what_is_no_moment_is_answered_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 15m, 2h, 3d"):
        timespec.parse(text, NOW)


def test_an_age_is_reported_in_a_unit_that_says_something() -> None:
    ages = [timedelta(seconds=5), timedelta(minutes=4), timedelta(hours=3), timedelta(days=9)]

    assert [timespec.relative(NOW - age, NOW) for age in ages] == ["5 s", "4 min", "3 h", "9 d"]
