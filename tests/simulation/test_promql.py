"""The evaluator of alarms says what Prometheus says: it passes the tests that promtool runs."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulation.alarms import Alarms
from tests.simulation.promql import Labels, Samples, parsed, seconds

_TESTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "alerts" / "alerts_test.yaml").read_text(encoding="utf-8")
)["tests"]
_MINUTE = 60.0


def _expanded(values: str) -> Iterator[float]:
    """Promtool's notation: `0x5` is 0 and five more of it, `0+30x5` grows by 30 five times."""
    for start, step, times in re.findall(r"(\d+)(?:\+(\d+))?x(\d+)", values):
        yield from (float(start) + float(step or 0) * number for number in range(int(times) + 1))


def _series(text: str) -> tuple[str, Labels]:
    name, _, labels = text.partition("{")
    return name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))


@pytest.mark.parametrize("test", _TESTS, ids=lambda test: test["name"])
def test_an_alarm_rings_when_promtool_says_so(test: dict[str, Any]) -> None:
    samples = Samples()
    for each in test["input_series"]:
        for number, value in enumerate(_expanded(each["values"])):
            samples.add(*_series(each["series"]), number * _MINUTE, value)
    looks = {seconds(look["eval_time"]): look for look in test["alert_rule_test"]}
    alarms, ringing = Alarms(samples), dict[float, dict[str, set[Labels]]]()

    for minute in range(int(max(looks) / _MINUTE) + 1):
        ringing[minute * _MINUTE] = alarms.evaluate(minute * _MINUTE)

    for look in test["alert_rule_test"]:
        wanted = [
            frozenset((name, value) for name, value in each["exp_labels"].items() if name != "severity")
            for each in look["exp_alerts"]
        ]
        assert ringing[seconds(look["eval_time"])].get(look["alertname"], set()) == set(wanted), look


@pytest.mark.parametrize("text", ["a + b > 1", "avg(a) > 1", "a > 1 and b > 1", "a > b", "(a > 1", "absent(a)"])
def test_what_the_evaluator_does_not_know_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parsed(text)


def test_a_counter_that_begins_again_has_not_lost_what_it_had() -> None:
    samples = Samples()
    for at, value in ((0, 5), (60, 9), (120, 2), (180, 4)):
        samples.add("a_total", frozenset(), float(at), float(value))

    (grown,) = parsed("increase(a_total[3m])")(samples, 180.0).values()

    assert grown == pytest.approx(4.0 * 1.5)
    assert all(later[0] > earlier[0] for earlier, later in pairwise(samples.series["a_total"][frozenset()]))
