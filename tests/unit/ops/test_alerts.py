"""The alarms: each asks for something that exists, and refers to a section of the docs that exists."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from chassis.runtime.metrics import Metrics
from contracts.message import Message
from contracts.topology import QUEUES, RETRY_LADDER
from deploy.local.processes import ROOT
from ops.core.dead_letters.letters import DEAD_QUEUES
from ops.core.messages import WORK_QUEUES

FILES = ("alerts", "slo")
RULES: list[dict[str, Any]] = [
    rule
    for name in FILES
    for rule in yaml.safe_load((ROOT / "deploy" / f"{name}.yaml").read_text())["groups"][0]["rules"]
    if "alert" in rule
]
TESTS: list[dict[str, Any]] = [
    test
    for name in FILES
    for test in yaml.safe_load((ROOT / "tests" / "alerts" / f"{name}_test.yaml").read_text())["tests"]
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@each
def test_an_alarm_leads_to_its_section(rule: dict[str, Any]) -> None:
    page, _, section = rule["annotations"]["runbook"].partition("#")

    text = (ROOT / page).read_text()
    assert section in {anchor(heading) for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)}
    assert rule["alert"] in text
    assert rule["alert"] in OPERATIONS


@each
def test_an_alarm_asks_for_series_and_kinds_that_exist(rule: dict[str, Any]) -> None:
    exposed = Metrics("alarms").exposition().decode()

    for series in re.findall(r"bellhop_[a-z_]+", rule["expr"]):
        assert f"# TYPE {series.removesuffix('_total')}" in exposed or f"# TYPE {series}" in exposed
    for kind in re.findall(r'kind="([^"]+)"', rule["expr"]):
        assert kind in Message.kinds


def test_the_alarms_about_queues_know_every_queue_of_a_role() -> None:
    roles = ({queue.name for queue in WORK_QUEUES}, set(DEAD_QUEUES), {tier.name for tier in RETRY_LADDER})
    patterns = [re.search(r'queue=~"([^"]+)"', rule["expr"]) for rule in RULES if "rabbitmq_" in rule["expr"]]

    for found in patterns:
        assert found is not None
        matched = {queue.name for queue in QUEUES if re.fullmatch(found.group(1).replace("\\\\", "\\"), queue.name)}
        assert sum(role <= matched for role in roles) == 1


@each
def test_an_alarm_has_a_test_in_which_it_fires_and_one_in_which_it_is_quiet(rule: dict[str, Any]) -> None:
    looks = [look for test in TESTS for look in test["alert_rule_test"] if look["alertname"] == rule["alert"]]

    assert {bool(look["exp_alerts"]) for look in looks} == {True, False}


@pytest.mark.parametrize(
    "asked",
    [
        ["check", "rules", "deploy/alerts.yaml", "deploy/slo.yaml"],
        ["test", "rules", "tests/alerts/alerts_test.yaml", "tests/alerts/slo_test.yaml"],
    ],
)
def test_prometheus_itself_finds_the_alarms_sound_and_firing_the_first_time(asked: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None and os.geteuid() != 0:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    assert promtool is not None, "promtool is missing; `make test` installs it"

    ended = subprocess.run([promtool, *asked], cwd=ROOT, capture_output=True, check=False, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_alarms_ask_for_is_exposed_from_the_start() -> None:
    metrics = Metrics("extras-service")
    metrics.expect(["orders.place-order.v1"], ["parked"])

    exposed = metrics.exposition().decode()

    assert (
        'bellhop_messages_handled_total{kind="orders.place-order.v1",outcome="parked",service="extras-service"} 0.0'
        in exposed
    )
    assert 'bellhop_late_replies_total{service="extras-service"} 0.0' in exposed
