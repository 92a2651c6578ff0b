"""Windows of time by which a store is read back to the beginning."""

from datetime import UTC, datetime, timedelta

from chassis.storage.windows import Windows

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def walked(windows: Windows, *found: int) -> list[tuple[datetime | None, datetime | None]]:
    """The windows in sequence, if they hold so many documents; none after these."""
    numbers, passed = iter(found), []
    while (window := windows.current) is not None:
        passed.append(window)
        windows.passed(next(numbers, 0))
    return passed


def test_the_windows_cover_all_time_without_gap_or_overlap() -> None:
    passed = walked(Windows(500, now=NOW), 3, 600, 2000, 0, 40)

    assert passed[0][1] is None
    assert passed[-1][0] is None
    assert [older[1] for older in passed[1:]] == [newer[0] for newer in passed[:-1]]


def test_the_windows_from_the_end_of_all_time_reach_its_beginning() -> None:
    passed = walked(Windows(500, until=datetime.max.replace(tzinfo=UTC), now=NOW))

    assert passed[-1][0] is None


def test_none_reaches_further_back_than_asked() -> None:
    since = NOW - 7 * HOUR

    passed = walked(Windows(500, since, now=NOW))

    assert passed == [(NOW - HOUR, None), (NOW - 5 * HOUR, NOW - HOUR), (since, NOW - 5 * HOUR)]


def test_a_search_that_begins_in_the_future_has_one_window() -> None:
    assert walked(Windows(500, NOW + HOUR, now=NOW)) == [(NOW + HOUR, None)]


def test_a_window_that_held_too_much_is_followed_by_a_shorter_one() -> None:
    windows = Windows(500, now=NOW)
    windows.passed(1000)

    assert windows.current == (NOW - 1.5 * HOUR, NOW - HOUR)


def test_years_without_anything_take_few_windows() -> None:
    assert len(walked(Windows(500, now=NOW))) < 10


def test_a_window_may_be_tried_again_in_parts_down_to_a_second() -> None:
    windows = Windows(500, now=NOW)

    windows.shorten()
    assert windows.current == (NOW - HOUR / 4, None)
    while windows.can_be_shorter:
        windows.shorten()
    assert windows.current == (NOW - timedelta(seconds=1), None)
