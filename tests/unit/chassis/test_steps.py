"""Steps are measured with how they ended, and shown from the start."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step, Steps
from chassis.web.problems import ProblemError
from gateway.api.bus_gateway import is_failure

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def counted(metrics: Metrics, step: Step, outcome: str) -> float | None:
    labels = {"service": "gateway", "step": step, "outcome": outcome}
    return metrics.registry.get_sample_value("bellhop_step_seconds_count", labels)


def test_a_step_is_shown_before_its_first_time_and_only_where_it_is_measured() -> None:
    metrics = Metrics("gateway")
    Steps(metrics, Step.ORDER_ANSWERED)

    assert [counted(metrics, Step.ORDER_ANSWERED, each) for each in ("ok", "failed")] == [0, 0]
    assert counted(metrics, Step.SESSION_OPENED, "ok") is None


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ProblemError(422, "no-lines", "No lines", ""), "ok"),
        (ProblemError(503, "too-many-orders-waiting", "Too many orders waiting", ""), "failed"),
        (TimeoutError(), "failed"),
    ],
)
def test_an_answer_that_the_request_deserves_is_no_failure(error: Exception, outcome: str) -> None:
    metrics = Metrics("gateway")
    steps = Steps(metrics, Step.ORDER_ANSWERED)

    with pytest.raises(type(error)), steps.lasting(Step.ORDER_ANSWERED, is_failure):
        raise error

    assert counted(metrics, Step.ORDER_ANSWERED, outcome) == 1


def test_a_step_between_two_clocks_lasts_no_less_than_nothing() -> None:
    metrics = Metrics("gateway")
    steps = Steps(metrics, Step.PAYMENT_RECORDED)

    steps.ended(Step.PAYMENT_RECORDED, NOW, NOW - timedelta(seconds=1))
    steps.ended(Step.PAYMENT_RECORDED, NOW, NOW + timedelta(seconds=3), failed=True)

    labels = {"service": "gateway", "step": Step.PAYMENT_RECORDED}
    assert metrics.registry.get_sample_value("bellhop_step_seconds_sum", {**labels, "outcome": "ok"}) == 0
    assert metrics.registry.get_sample_value("bellhop_step_seconds_sum", {**labels, "outcome": "failed"}) == 3


def test_without_metrics_nothing_is_measured() -> None:
    with Steps().lasting(Step.ORDER_ANSWERED, is_failure):
        pass
