"""The rules of the service-level objectives, deploy/slo.yaml. `python -m tools.slo --write`; `--check`.

What they mean: docs/observability.md. Their tests: tests/alerts/slo_test.yaml.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from chassis.runtime.steps import Step
from tools.generated_file import ROOT, generated_file_command

FILE = ROOT / "deploy" / "slo.yaml"
PAGE = "docs/observability.md"
LEAST_BAD = 5
"""Steps that must have been bad in the longer window: below, a few failures at night would ring."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`target` of the steps, over 30 days, end well within `bound` seconds."""

    step: Step
    bound: float
    target: float

    @property
    def budget(self) -> float:
        return round(1 - self.target, 6)


@dataclass(frozen=True, slots=True)
class Burn:
    """An alarm: the budget burns this many times too fast, in the long window and still in the short one."""

    alarm: str
    factor: float
    long: str
    short: str
    severity: str
    says: str


OBJECTIVES = (
    Objective(Step.ORDER_ANSWERED, 2.5, 0.995),
    Objective(Step.SESSION_OPENED, 5.0, 0.99),
    Objective(Step.PAYMENT_RECORDED, 30.0, 0.99),
    Objective(Step.ORDER_PAID, 30.0, 0.99),
    Objective(Step.WEBHOOK_DELIVERED, 60.0, 0.98),
)
BURNS = (
    Burn("BellhopBudgetBurnsFast", 14.4, "1h", "5m", "page", "gone in two days"),
    Burn("BellhopBudgetBurns", 6.0, "6h", "30m", "page", "gone in five days"),
    Burn("BellhopBudgetShrinks", 1.0, "3d", "6h", "ticket", "not enough for the 30 days"),
)
WINDOWS = sorted(
    {window for burn in BURNS for window in (burn.long, burn.short)},
    key=lambda each: ("mhd".index(each[-1]), int(each[:-1])),
)


def rules() -> dict[str, Any]:
    """One group, so that an alarm looks at what was recorded a moment before."""
    budgets = [
        {"record": "bellhop:budget", "expr": f"vector({each.budget})", "labels": {"step": str(each.step)}}
        for each in OBJECTIVES
    ]
    recorded = [rule for window in WINDOWS for rule in _recorded(window)]
    alarms = [_alarm(burn) for burn in BURNS]
    return {"groups": [{"name": "bellhop-objectives", "rules": [*budgets, *recorded, *alarms]}]}


def _recorded(window: str) -> list[dict[str, Any]]:
    good = "\nor ".join(
        f'sum by (step) (increase(bellhop_step_seconds_bucket{{outcome="ok", step="{each.step}", '
        f'le="{each.bound}"}}[{window}]))'
        for each in OBJECTIVES
    )
    every = f"sum by (step) (increase(bellhop_step_seconds_count[{window}]))"
    return [
        {"record": f"bellhop:steps_bad:increase{window}", "expr": f"{every}\n- on (step) (\n{good}\n)\n"},
        {
            "record": f"bellhop:steps_bad:ratio{window}",
            "expr": f"bellhop:steps_bad:increase{window} / on (step) {every}",
        },
    ]


def _alarm(burn: Burn) -> dict[str, Any]:
    too_fast = "bellhop:steps_bad:ratio{} > on (step) {} * bellhop:budget"
    return {
        "alert": burn.alarm,
        "expr": (
            f"{too_fast.format(burn.long, burn.factor)}\n"
            f"and on (step) {too_fast.format(burn.short, burn.factor)}\n"
            f"and on (step) bellhop:steps_bad:increase{burn.long} > {LEAST_BAD - 0.5}\n"
        ),
        "labels": {"severity": burn.severity},
        "annotations": {
            "summary": f"{{{{ $labels.step }}}}: {{{{ $value | humanizePercentage }}}} were late or failed "
            f"in {burn.long}; the budget is {burn.says}",
            "runbook": f"{PAGE}#the-budget-of-an-objective-burns",
        },
    }


def text() -> str:
    head = (
        f"# By python -m tools.slo --write. The objectives, and what to do when a budget burns: {PAGE}\n"
        "# Without any step in a window a ratio is not a number, and nothing rings.\n"
    )
    return head + yaml.dump(rules(), Dumper=_Readable, sort_keys=False, width=1000)


class _Readable(yaml.SafeDumper):
    """Text of several lines is written as such."""


def _written(dumper: yaml.SafeDumper, said: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", said, style="|" if "\n" in said else None)


_Readable.add_representer(str, _written)

if __name__ == "__main__":
    generated_file_command(FILE, text, "tools.slo")
