"""The rules of the objectives are those of the table, and the page has the same figures."""

import re

from chassis.runtime.metrics import STEP_BUCKETS
from chassis.runtime.steps import Step
from tools.generated_file import ROOT
from tools.slo import BURNS, FILE, OBJECTIVES, PAGE, text

TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def test_the_rules_are_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text()


def test_every_step_has_an_objective_whose_bound_the_histogram_has() -> None:
    assert {each.step for each in OBJECTIVES} == set(Step)
    assert {each.bound for each in OBJECTIVES} <= set(STEP_BUCKETS)


def test_the_page_has_the_same_objectives_and_alarms() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.+\| ([\d.]+) s \| ([\d.]+) % \|.+\|$", TEXT, re.MULTILINE)
    alarms = re.findall(r"^\| (Bellhop\w+) \| (\d+) (h|d) and (\d+) (min|h) \|", TEXT, re.MULTILINE)

    assert [(step, float(bound), float(share)) for step, bound, share in rows] == [
        (each.step, each.bound, round(each.target * 100, 3)) for each in OBJECTIVES
    ]
    assert [(name, f"{long}{unit}", f"{short}{small[0]}") for name, long, unit, short, small in alarms] == [
        (each.alarm, each.long, each.short) for each in BURNS
    ]
