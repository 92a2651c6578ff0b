"""The dashboards are current, drawn without overlap, and ask for series that services or RabbitMQ's plugin have."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from chassis.runtime.metrics import Metrics
from chassis.runtime.steps import Step
from contracts.message import Message
from contracts.topology import QUEUES
from tools import slo
from tools.dashboards import DASHBOARDS, FOLDER, PROMETHEUS, dashboard, stale
from tools.generated_file import ROOT

BY_RABBITMQ = {
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_queue_consumers",
    "rabbitmq_queue_messages",
    "rabbitmq_queue_messages_ready",
}
"""Of the plugin rabbitmq_prometheus, which has one list of metrics for all versions from 3.10 on."""
PROVISIONED = FOLDER.parent / "provisioning"
RECORDED = {rule["record"] for group in slo.rules()["groups"] for rule in group["rules"] if "record" in rule}
EXPOSED = set(re.findall(r"^# TYPE (\w+)", Metrics("dashboards").exposition().decode(), re.MULTILINE))

each = pytest.mark.parametrize("name", DASHBOARDS)


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name.lower()}.json").read_text())["panels"]
    return found


def queries(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def test_the_dashboards_are_current() -> None:
    assert stale() == []


@each
def test_a_panel_has_a_place_of_its_own_a_unit_and_says_what_it_means(name: str) -> None:
    assert len({panel["id"] for panel in panels(name)}) == len(panels(name))
    assert len({panel["title"] for panel in panels(name)}) == len(panels(name))
    for panel in panels(name):
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"].endswith(".")
    for one, other in combinations([panel["gridPos"] for panel in panels(name)], 2):
        assert not all(
            one[at] < other[at] + other[size] and other[at] < one[at] + one[size] for at, size in ("xw", "yh")
        )
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels(name))


@each
def test_a_panel_asks_the_data_source_that_is_provisioned(name: str) -> None:
    known = yaml.safe_load((PROVISIONED / "datasources" / "bellhop.yaml").read_text())["datasources"]

    assert (PROMETHEUS["type"], PROMETHEUS["uid"]) in {(source["type"], source["uid"]) for source in known}
    for panel in panels(name):
        assert panel["datasource"] == PROMETHEUS
        assert all(target["datasource"] == PROMETHEUS for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@each
def test_a_panel_asks_for_series_kinds_steps_and_queues_that_exist(name: str) -> None:
    for query in queries(name):
        for series in re.findall(r"\b(?:bellhop_\w+|rabbitmq_\w+|bellhop:[\w:]+)", query):
            bare = re.sub(r"_(total|bucket|count)$", "", series)
            assert {series, bare} & (EXPOSED | BY_RABBITMQ | RECORDED), series
        assert set(re.findall(r'kind="([^"]+)"', query)) <= Message.kinds.keys()
        assert set(re.findall(r'step="([^"]+)"', query)) <= set(Step)
        for pattern in re.findall(r'queue=~"([^"]+)"', query):
            assert any(re.fullmatch(pattern.replace("\\\\", "\\"), queue.name) for queue in QUEUES)


def test_every_dashboard_has_its_own_address_and_is_found_where_grafana_looks() -> None:
    [provider] = yaml.safe_load((PROVISIONED / "dashboards" / "bellhop.yaml").read_text())["providers"]
    [mounted] = [
        volume.partition(":")[2]
        for volume in yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
        if str(volume).startswith("./observability/grafana/dashboards")
    ]

    assert len({dashboard(name)["uid"] for name in DASHBOARDS}) == len(DASHBOARDS)
    assert mounted.partition(":")[0] == provider["options"]["path"]
