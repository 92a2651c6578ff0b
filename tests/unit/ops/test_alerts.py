"""The alarms: each asks for something that exists, and sends whoever it wakes to a section that exists."""

import re
from typing import Any

import pytest
import yaml

from chassis.metrics import Metrics
from contracts.message import Message
from contracts.topology import QUEUES
from deploy.local.parts import ROOT
from ops.messages import WORK_QUEUES

RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"][0]["rules"]
PAGE = (ROOT / "docs" / "operations.md").read_text()

each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@each
def test_an_alarm_leads_to_its_section(rule: dict[str, Any]) -> None:
    page, _, section = rule["annotations"]["runbook"].partition("#")

    assert page == "docs/operations.md"
    assert section in {anchor(heading) for heading in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    assert rule["alert"] in PAGE


@each
def test_an_alarm_asks_for_series_and_kinds_that_exist(rule: dict[str, Any]) -> None:
    exposed = Metrics("alarms").exposition().decode()

    for series in re.findall(r"bellhop_[a-z_]+", rule["expr"]):
        assert f"# TYPE {series.removesuffix('_total')}" in exposed or f"# TYPE {series}" in exposed
    for kind in re.findall(r'kind="([^"]+)"', rule["expr"]):
        assert kind in Message.kinds


def test_the_alarms_about_queues_know_every_work_queue() -> None:
    patterns = [re.search(r'queue=~"([^"]+)"', rule["expr"]) for rule in RULES if "rabbitmq_" in rule["expr"]]

    for found in patterns:
        assert found is not None
        matched = {queue.name for queue in QUEUES if re.fullmatch(found.group(1).replace("\\\\", "\\"), queue.name)}
        assert {queue.name for queue in WORK_QUEUES} <= matched
