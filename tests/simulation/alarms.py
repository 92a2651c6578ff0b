"""The alarms of deploy/alerts.yaml at rest, on what the services expose at /metrics and what the broker would.

Evaluated is each comparison of a gauge, as it is or summed or as the greatest. What needs a range of time (`increase`,
`rate`) is left out, and how long a condition must hold (`for`) is not waited for.
"""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.simulation.asgi import Exchange
from tests.simulation.books import UNREADABLE, books_of, open_failures, orders_of
from tests.simulation.shortcut import served

if TYPE_CHECKING:
    from tests.simulation.instances import Instance
    from tests.simulation.world import World

_RULES = Path(__file__).parents[2] / "deploy" / "alerts.yaml"
_COMPARISON = re.compile(
    r"(?:(?P<how>max|sum)(?: by \((?P<by>\w+)\))? ?\()?(?P<series>\w+)(?:\{(?P<labels>[^}]*)\})?\)? "
    r"(?P<compare>>|==) (?P<bound>[\d.]+)"
)
_LABEL = re.compile(r'(?P<name>\w+)(?P<how>=~|=)"(?P<value>[^"]*)"')
_COMPARES: Mapping[str, Callable[[float, float], bool]] = {">": operator.gt, "==": operator.eq}

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    series: str
    labels: Labels
    value: float


@cache
def rules() -> Mapping[str, tuple[re.Match[str], ...]]:
    """The comparisons of each alarm, of which any is enough; none where it is left out."""
    known = yaml.safe_load(_RULES.read_text())["groups"][0]["rules"]
    return {rule["alert"]: tuple(_comparisons(rule["expr"])) for rule in known}


def _comparisons(expression: str) -> Iterator[re.Match[str]]:
    if " and " in expression:
        return
    for part in re.split(r"\bor\b", " ".join(expression.split())):
        if found := _COMPARISON.fullmatch(part.strip()):
            yield found


def rings(comparison: re.Match[str], samples: Iterable[Sample]) -> bool:
    """Whether any series, or any sum of series, is on the wrong side of the bound."""
    wanted = [label.groupdict() for label in _LABEL.finditer(comparison["labels"] or "")]
    sums: dict[str, float] = defaultdict(float)
    values = []
    for sample in samples:
        if sample.series == comparison["series"] and all(_matches(each, sample.labels) for each in wanted):
            values.append(sample.value)
            sums[sample.labels.get(comparison["by"] or "", "")] += sample.value
    compare, bound = _COMPARES[comparison["compare"]], float(comparison["bound"])
    return any(compare(value, bound) for value in (sums.values() if comparison["how"] == "sum" else values))


def _matches(wanted: Mapping[str, str], labels: Labels) -> bool:
    value, said = labels.get(wanted["name"], ""), wanted["value"].replace("\\\\", "\\")
    return re.fullmatch(said, value) is not None if wanted["how"] == "=~" else value == said


async def scraped(world: "World") -> list[Sample]:
    """What Prometheus would have read now, the gauges being up to date."""
    samples = list(_of_the_broker(world))
    for instance in world.instances:
        if not callable(instance.app):
            continue  # the shortcut past the gateway's routes
        for gauge in instance.gauges:
            await served(instance, gauge.work())
        exchange = Exchange(instance, "GET", "/metrics", [], b"", "203.0.113.1")
        status, _ = await exchange.head()
        text = b"".join([chunk async for chunk in exchange.chunks()]).decode()
        samples.append(Sample("up", {"job": "bellhop", "instance": _name(instance)}, float(status == 200)))
        for family in text_string_to_metric_families(text):
            samples += [Sample(each.name, each.labels, each.value) for each in family.samples]
    return samples


def _name(instance: "Instance") -> str:
    return f"{instance.service}-{instance.number}"


def _of_the_broker(world: "World") -> Iterator[Sample]:
    for queue in world.broker.queues.values():
        ready = len(queue.waiting) + len(queue.returned)
        yield Sample("rabbitmq_queue_messages_ready", {"queue": queue.name}, ready)
        yield Sample("rabbitmq_queue_consumers", {"queue": queue.name}, len(queue.consumers))


def _is_never(_world: "World") -> bool:
    """Nothing of the kind is left when all faults are over."""
    return False


def _dead_letters_wait(world: "World") -> bool:
    dead = any(queue.depth for queue in world.broker.queues.values() if queue.name.endswith(".dead"))
    stored = (world.collection(name).documents.values() for name in ("orders", "payments", "stock", "psp_sweeps"))
    return dead or any("parked_since" in document for documents in stored for document in documents)


def _an_order_is_under_review(world: "World") -> bool:
    return any(state["status"] == "needs_review" for state in orders_of(world).values())


def _a_refund_has_failed(world: "World") -> bool | None:
    """By the PSP's books. These do not have the ones that it refused to make: of them the orders alone know."""
    known = orders_of(world)
    has_failed = any(
        open_failures(book, known[order_id])
        for order_id, book in books_of(world).items()
        if order_id in known and known[order_id]["status"] != "needs_review"
    )
    is_said = any(each["stage"] == "failed" for state in known.values() for each in state.get("refunds", ()))
    return has_failed or (None if is_said else False)


def _something_is_unsent(world: "World") -> bool:
    """No service can read what is said to be unsent of these documents, so it never is."""
    return any(name in world.collection("orders").documents for name in UNREADABLE)


SHOULD_RING: Mapping[str, Callable[["World"], bool | None]] = {
    "BellhopDeadLetters": _dead_letters_wait,
    "BellhopOrderNeedsReview": _an_order_is_under_review,
    "BellhopRefundFailed": _a_refund_has_failed,
    "BellhopOutboxUnsent": _something_is_unsent,
    "BellhopBreakerOpen": _is_never,
    "BellhopRefusedByPsp": _is_never,
    "BellhopServiceDown": _is_never,
    "BellhopQueueWithoutConsumer": _is_never,
    "BellhopQueueGrows": _is_never,
    "BellhopRefundWaits": _is_never,
    "BellhopEventsNotBackfilled": _is_never,
    "BellhopUnroutable": _is_never,
}
"""None: it may ring or not."""
