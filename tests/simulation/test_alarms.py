"""The small evaluator of alarms: which it evaluates, and that it compares as Prometheus does."""

import pytest

from tests.simulation.alarms import SHOULD_RING, Sample, rings, rules


def test_what_compares_gauges_is_evaluated_and_ranges_of_time_are_left_out() -> None:
    left_out = {name for name, comparisons in rules().items() if not comparisons}

    assert left_out == {
        "BellhopMessagesParked",
        "BellhopMessagesRetried",
        "BellhopRetryTierStuck",
        "BellhopLogNotWritten",
        "BellhopLateReplies",
    }
    assert rules().keys() - left_out == SHOULD_RING.keys()


@pytest.mark.parametrize(
    ("alarm", "sample", "is_ringing"),
    [
        ("BellhopOrderNeedsReview", Sample("bellhop_waiting", {"what": "orders_in_review"}, 1), True),
        ("BellhopOrderNeedsReview", Sample("bellhop_waiting", {"what": "refunds_failed"}, 1), False),
        ("BellhopDeadLetters", Sample("bellhop_waiting", {"what": "parked_orders"}, 2), True),
        ("BellhopDeadLetters", Sample("rabbitmq_queue_messages_ready", {"queue": "psp.dead"}, 1), True),
        ("BellhopDeadLetters", Sample("rabbitmq_queue_messages_ready", {"queue": "psp.commands"}, 9), False),
        ("BellhopServiceDown", Sample("up", {"job": "bellhop"}, 0), True),
        ("BellhopServiceDown", Sample("up", {"job": "bellhop"}, 1), False),
    ],
)
def test_an_alarm_rings_by_its_labels_and_its_bound(alarm: str, sample: Sample, is_ringing: bool) -> None:
    assert any(rings(comparison, [sample]) for comparison in rules()[alarm]) == is_ringing


def test_a_sum_is_taken_for_each_label() -> None:
    (comparison, *_) = rules()["BellhopQueueGrows"] + rules()["BellhopDeadLetters"]
    apart = [Sample("rabbitmq_queue_messages_ready", {"queue": name}, 300) for name in ("psp.psp", "psp.commands")]

    assert not rings(comparison, apart)
