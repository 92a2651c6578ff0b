"""A story as an operator reads it."""

from datetime import timedelta

import pytest

from ops.cli.trace_text import lines
from ops.core.trace.labels import since
from tests.unit.ops.trace.stored import story


def text_of(name: str) -> list[str]:
    return [line.plain for line in lines(story(name))]


def test_a_line_says_when_who_and_what_under_what_it_came_from() -> None:
    text = text_of("paid_after_a_retry")

    assert text[1] == "order: confirmed / paid  payment: succeeded"
    start, command, change = text[4:7]
    assert start.endswith("    +0 ms  guest → gateway     POST /v1/orders")
    assert command.endswith("    +0 ms  gateway → extras      PlaceOrder")
    assert change.endswith(" ms  extras                  ● order: pending_payment / unpaid")


def test_a_retry_says_why_and_when_it_comes_again() -> None:
    (retry,) = (line for line in text_of("paid_after_a_retry") if "↻" in line)

    assert "CreatePspSession  attempt 1 failed: PspUnavailableError: " in retry
    assert retry.endswith("again in 1 s")


def test_a_parking_says_why() -> None:
    (parking,) = (line for line in text_of("parked") if "✗" in line)

    assert "PaymentProcessing  parked after 1 attempt: MalformedMessageError: " in parking


def test_a_moment_known_to_the_second_is_marked() -> None:
    assert any(line.startswith("~") for line in text_of("parked"))


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(milliseconds=42), "+42 ms"),
        (timedelta(milliseconds=-3), "-3 ms"),
        (timedelta(seconds=3.2), "+3.20 s"),
        (timedelta(minutes=31), "+31 min 0 s"),
        (timedelta(hours=25, minutes=10), "+1 d 1 h"),
    ],
    ids=str,
)
def test_a_length_of_time_is_reported_in_a_unit_that_suits_it(passed: timedelta, said: str) -> None:
    assert since(passed) == said
