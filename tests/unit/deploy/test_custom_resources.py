"""Objects of KEDA and of RabbitMQ's Cluster Operator, against our reading of their documents."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.custom_resources import check
from tools.kubernetes_manifests import CUSTOM, OVERLAYS, WITH_COMPONENTS, objects, rendered_file

FOUND = [
    pytest.param(each, id=f"{overlay}-{each['kind']}-{each['metadata']['name']}")
    for overlay in (*OVERLAYS, *WITH_COMPONENTS)
    for each in objects(rendered_file(overlay).read_text(encoding="utf-8"))
    if each["apiVersion"] in CUSTOM
]
OF_ANY_NAME = {"labels", "matchLabels"}
each_object = pytest.mark.parametrize("found", FOUND)


def fields(found: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every field of an object, with what it is a field of."""
    if isinstance(found, list):
        for each in found:
            yield from fields(each)
    elif isinstance(found, dict):
        for name, value in found.items():
            yield found, name
            if name not in OF_ANY_NAME:
                yield from fields(value)


def changed(found: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    copy = deepcopy(found)
    inner: Any = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


def first(kind: str) -> dict[str, Any]:
    """The first object of a kind in production."""
    all_of_it = objects(rendered_file("production").read_text(encoding="utf-8"))
    return next(each for each in all_of_it if each["kind"] == kind)


@each_object
def test_each_is_as_its_operators_documents_have_it(found: dict[str, Any]) -> None:
    check(found)


@each_object
def test_a_misspelt_field_is_refused_wherever_it_is(found: dict[str, Any]) -> None:
    seen = [name for _, name in fields(found)]
    assert len(seen) > 10

    for place, name in enumerate(seen):
        copy = deepcopy(found)
        holder, _ = list(fields(copy))[place]
        holder[f"{name}s"] = holder.pop(name)
        with pytest.raises(ValidationError):
            check(copy)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ScaledObject", ("spec", "minReplicaCount"), "2"),
        ("ScaledObject", ("spec", "minReplicaCount"), 7),
        ("ScaledObject", ("spec", "triggers"), []),
        ("ScaledObject", ("spec", "triggers", 0, "type"), "rabbit"),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "value"), 200),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "mode"), "Length"),
        ("ScaledObject", ("spec", "triggers", -1, "metricType"), "value"),
        ("ScaledObject", ("spec", "triggers", -1, "metadata", "ignoreNullValues"), False),
        ("ScaledObject", ("spec", "triggers", -1, "metadata", "serverAddress"), ""),
        ("TriggerAuthentication", ("spec", "secretTargetRef", 0, "parameter"), "hosts"),
        ("RabbitmqCluster", ("spec", "replicas"), 2),
        ("RabbitmqCluster", ("spec", "persistence", "storage"), "10 GB"),
        ("RabbitmqCluster", ("apiVersion",), "rabbitmq.com/v1"),
    ],
)
def test_a_value_that_its_operator_would_not_take_is_refused(
    kind: str, path: tuple[str | int, ...], value: object
) -> None:
    found = first(kind)
    check(found)

    with pytest.raises(ValidationError):
        check(changed(found, path, value))


def test_a_trigger_asks_with_a_secret_that_is_there() -> None:
    asked = {
        trigger["authenticationRef"]["name"]
        for trigger in first("ScaledObject")["spec"]["triggers"]
        if "authenticationRef" in trigger
    }

    assert asked == {first("TriggerAuthentication")["metadata"]["name"]}
