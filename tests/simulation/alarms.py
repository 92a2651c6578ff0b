"""The alarms of deploy/alerts.yaml, on what the services expose at /metrics and what the broker's plugin would.

At rest each condition is judged by what is there at that moment: what needs a range of time is never true then. While a
history runs, `watch.py` evaluates whole rules, with `for`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.simulation.asgi import Exchange
from tests.simulation.books import STORED, UNREADABLE, books_of, open_failures, orders_of
from tests.simulation.promql import Labels, Query, Samples, parsed, seconds, series_of
from tests.simulation.shortcut import served

if TYPE_CHECKING:
    from tests.simulation.instances import Instance
    from tests.simulation.world import World

_RULES = Path(__file__).parents[2] / "deploy" / "alerts.yaml"


@dataclass(frozen=True, slots=True)
class Rule:
    condition: Query
    holds_for: float
    """Seconds for which the condition must hold."""
    series: frozenset[str]
    """Names of those that it asks for."""


@cache
def rules() -> Mapping[str, Rule]:
    """By the alarm's name."""
    known = yaml.safe_load(_RULES.read_text())["groups"][0]["rules"]
    return {
        rule["alert"]: Rule(parsed(rule["expr"]), seconds(rule.get("for", "0s")), series_of(rule["expr"]))
        for rule in known
    }


@dataclass
class Alarms:
    """Evaluates the rules again and again, as Prometheus does."""

    samples: Samples
    _since: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def evaluate(self, at: float) -> dict[str, set[Labels]]:
        """The alarms that ring now, each with the labels by which it does."""
        ringing: dict[str, set[Labels]] = {}
        since = {}
        for name, rule in rules().items():
            for labels in rule.condition(self.samples, at):
                began = since[name, labels] = self._since.get((name, labels), at)
                if at - began >= rule.holds_for:
                    ringing.setdefault(name, set()).add(labels)
        self._since = since
        return ringing


async def scraped(world: "World") -> Samples:
    """What Prometheus would have read now, the gauges being up to date."""
    samples, now = Samples(), world.loop.time()
    for series, labels, value in of_the_broker(world):
        samples.add(series, labels, now, value)
    for instance in world.instances:
        if not callable(instance.app):
            continue  # the shortcut past the gateway's routes
        for gauge in instance.gauges:
            await served(instance, gauge.work())
        exchange = Exchange(instance, "GET", "/metrics", [], b"", "203.0.113.1")
        status, _ = await exchange.head()
        text = b"".join([chunk async for chunk in exchange.chunks()]).decode()
        samples.add("up", target_of(instance), now, float(status == 200))
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                samples.add(each.name, frozenset(each.labels.items()) | target_of(instance), now, each.value)
    return samples


def target_of(instance: "Instance") -> Labels:
    """The labels that Prometheus adds to what it has read from it."""
    return frozenset({("job", "bellhop"), ("instance", f"{instance.service}-{instance.number}")})


def of_the_broker(world: "World") -> Iterator[tuple[str, Labels, float]]:
    """Series, labels and values that its plugin exposes."""
    for queue in world.broker.queues.values():
        labels = frozenset({("queue", queue.name)})
        yield "rabbitmq_queue_messages_ready", labels, queue.ready
        yield "rabbitmq_queue_messages", labels, queue.depth
        yield "rabbitmq_queue_consumers", labels, len(queue.consumers)


def _is_never(_world: "World") -> bool:
    """Nothing of the kind is left when all faults are over."""
    return False


def _dead_letters_wait(world: "World") -> bool:
    dead = any(queue.depth for queue in world.broker.queues.values() if queue.name.endswith(".dead"))
    stored = (world.collection(name).documents.values() for name in STORED)
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


def _a_mail_is_unknown(world: "World") -> bool:
    """Until a person has decided about it, as none does here."""
    return any(raw["state"]["status"] == "unknown" for raw in world.collection("mails").documents.values())


def _something_is_unsent(world: "World") -> bool:
    """No service can read what is said to be unsent of these documents, so it never is."""
    return any(name in world.collection("orders").documents for name in UNREADABLE)


SHOULD_RING: Mapping[str, Callable[["World"], bool | None]] = {
    "BellhopDeadLetters": _dead_letters_wait,
    "BellhopOrderNeedsReview": _an_order_is_under_review,
    "BellhopApprovalWaits": _is_never,
    "BellhopRefundFailed": _a_refund_has_failed,
    "BellhopOutboxUnsent": _something_is_unsent,
    "BellhopWebhooksFail": _is_never,
    "BellhopWebhooksParked": _is_never,
    "BellhopBreakerOpen": _is_never,
    "BellhopMailServerDown": _is_never,
    "BellhopMailUnknown": _a_mail_is_unknown,
    "BellhopRefusedByPsp": _is_never,
    "BellhopServiceDown": _is_never,
    "BellhopQueueWithoutConsumer": _is_never,
    "BellhopQueueGrows": _is_never,
    "BellhopRefundWaits": _is_never,
    "BellhopEventsNotBackfilled": _is_never,
    "BellhopUnroutable": _is_never,
}
"""None: it may ring or not."""
