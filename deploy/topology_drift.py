"""Compares a broker with the topology: missing objects, other properties, and bindings that should not exist."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.topology import COMMANDS, EARLIER_MARKS, EVENTS, EVENTS_WITHOUT_FOLLOWER, EXCHANGES, MARK, MARKS, QUEUES

Json = Mapping[str, Any]

_SENT_TO = (COMMANDS.name, EVENTS.name)


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference, reported for the queue it concerns."""

    queue: str
    problem: str
    is_otherwise: bool = False
    """The queue exists with other properties: it must be replaced, which `bellhop broker` does only when asked."""


def drift_of(queues: Iterable[Json], exchanges: Iterable[Json], bindings: Iterable[Json]) -> list[Drift]:
    """The differences in one virtual host, from RabbitMQ's management API."""
    there = {str(queue["name"]): queue for queue in queues}
    bound = {
        (str(one["destination"]), str(one["source"]), str(one["routing_key"]))
        for one in bindings
        if one["destination_type"] == "queue" and one["source"]
    }
    return [
        *_of_queues(there),
        *_of_exchanges({str(one["name"]): str(one["type"]) for one in exchanges}),
        *_of_bindings(bound, there),
    ]


def _of_queues(there: Mapping[str, Json]) -> Iterator[Drift]:
    for queue in (*QUEUES, MARK):
        found = there.get(queue.name)
        if found is None:
            yield Drift(queue.name, "not declared: bellhop broker")
            continue
        wanted = {"x-queue-type": queue.type.value, **queue.arguments}
        has = {"x-queue-type": found.get("type"), **found.get("arguments", {})}
        for name in sorted(wanted.keys() | has.keys()):
            if wanted.get(name) != has.get(name):
                yield Drift(queue.name, f"{name} is {has.get(name)} instead of {wanted.get(name)}", is_otherwise=True)
        limit = (found.get("effective_policy_definition") or {}).get("delivery-limit")
        if isinstance(limit, int) and limit < int(queue.arguments.get("x-delivery-limit", limit)):
            yield Drift(queue.name, f"a policy drops messages after {limit} deliveries: remove delivery-limit from it")
    for name in there:
        if name.startswith(MARKS) and name not in (MARK.name, *EARLIER_MARKS):
            yield Drift(name, "mark of another topology: bellhop broker removes it")


def _of_exchanges(there: Mapping[str, str]) -> Iterator[Drift]:
    for exchange in EXCHANGES:
        has = there.get(exchange.name)
        if has != exchange.type.value:
            what = f"has type {has}" if has else "is not declared: bellhop broker"
            concerned = [queue.name for queue in QUEUES if any(b.exchange == exchange.name for b in queue.bindings)]
            for name in concerned or [MARK.name]:
                yield Drift(name, f"exchange {exchange.name} {what}")


def _of_bindings(bound: set[tuple[str, str, str]], there: Mapping[str, Json]) -> Iterator[Drift]:
    wanted = {(queue.name, one.exchange, one.routing_key) for queue in QUEUES for one in queue.bindings}
    for name, exchange, key in sorted(wanted - bound):
        yield Drift(name, f"binding {exchange}: {key} is missing: bellhop broker")
    ours = {queue.name for queue in QUEUES}
    for name, exchange, key in sorted(bound - wanted):
        if name in ours:
            yield Drift(name, f"binding {exchange}: {key} does not belong here")
        elif exchange in _SENT_TO and not (_is_exclusive(there.get(name)) and key in EVENTS_WITHOUT_FOLLOWER):
            yield Drift(name, f"bound to {exchange}: {key}, which hides that the queue of a consumer is missing")


def _is_exclusive(queue: Json | None) -> bool:
    return bool(queue and queue.get("exclusive"))


def by_queue(drift: Iterable[Drift]) -> dict[str, list[str]]:
    """The problems of each queue."""
    problems: dict[str, list[str]] = defaultdict(list)
    for one in drift:
        problems[one.queue].append(one.problem)
    return dict(problems)
