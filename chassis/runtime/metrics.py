"""The metrics of a service. One registry per service, so that two services in one test do not add up."""

from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

STEP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Seconds. The bounds of the objectives (deploy/slo.yaml) are among them."""
AGE_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0)
"""Seconds. The age from which production gets more instances (deploy/kubernetes) is among them."""


class Metrics:
    """The counters every service has."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        self.published = Counter(
            "bellhop_messages_published",
            "Messages published, by kind.",
            ["service", "type", "kind"],
            registry=self.registry,
        )
        self.handled = Counter(
            "bellhop_messages_handled",
            "Inputs by outcome: applied, done, duplicate, stale, ignored, refused, retried, requeued, nacked, parked.",
            ["service", "kind", "outcome"],
            registry=self.registry,
        )
        self.handling_seconds = Histogram(
            "bellhop_handling_seconds", "From delivery to acknowledgement.", ["service"], registry=self.registry
        )
        self.message_age = Histogram(
            "bellhop_message_age_seconds",
            "From publication to the first delivery of a message; retries and replays do not count.",
            ["service", "queue"],
            buckets=AGE_BUCKETS,
            registry=self.registry,
        )
        self.step_seconds = Histogram(
            "bellhop_step_seconds",
            "How long steps last that a guest or a hotel's system waits for, by outcome: ok, failed.",
            ["service", "step", "outcome"],
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self.store_writes = Counter(
            "bellhop_store_writes",
            "Writes to documents: those that change state, and those that only clear an outbox.",
            ["service", "type"],
            registry=self.registry,
        )
        self.store_round_trips = Counter(
            "bellhop_store_round_trips",
            "Round trips to the store, by purpose.",
            ["service", "type"],
            registry=self.registry,
        )
        self.late_replies = Counter(
            "bellhop_late_replies",
            "Replies that came after their requester gave up.",
            ["service"],
            registry=self.registry,
        )
        self.replies_dropped = Counter(
            "bellhop_replies_dropped",
            "Replies that were not sent: no permissible address, or refused by the broker.",
            ["service"],
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            "bellhop_requests_in_flight", "Requests waiting for a reply.", ["service"], registry=self.registry
        )
        self.breaker_open = Gauge(
            "bellhop_breaker_open",
            "1 while consumption is paused because a dependency is unavailable.",
            ["service", "dependency"],
            registry=self.registry,
        )
        self.refused = Gauge(
            "bellhop_refused_by_dependency",
            "1 while consumption is paused because a dependency rejects this service: its configuration is wrong.",
            ["service", "dependency"],
            registry=self.registry,
        )
        self.forbidden = Counter(
            "bellhop_forbidden",
            "Calls that a dependency rejected because of this service's configuration, by reason.",
            ["service", "reason"],
            registry=self.registry,
        )
        self.waiting = Gauge(
            "bellhop_waiting",
            "Items waiting for a person, the PSP or the broker.",
            ["service", "what"],
            registry=self.registry,
        )
        self.waiting_oldest = Gauge(
            "bellhop_waiting_oldest_seconds",
            "Age of the oldest waiting item.",
            ["service", "what"],
            registry=self.registry,
        )
        self.unroutable = Gauge(
            "bellhop_unroutable", "Kinds of messages that are unroutable.", ["service"], registry=self.registry
        )
        self.log_copies = Counter(
            "bellhop_log_copies",
            "Copies for the message log: written, or missed.",
            ["service", "outcome"],
            registry=self.registry,
        )
        self.log_copies_waiting = Gauge(
            "bellhop_log_copies_waiting", "Copies not yet in the message log.", ["service"], registry=self.registry
        )
        self.service = service
        # A counter that begins at 1 shows no increase to an alert, so every series exists from the start.
        self.late_replies.labels(service)
        self.replies_dropped.labels(service)

    def expect(self, kinds: Iterable[str], outcomes: Iterable[str]) -> None:
        """Create the series of these kinds and outcomes at 0, so that the first occurrence is an increase."""
        for kind, outcome in product(kinds, tuple(outcomes)):
            self.handled.labels(self.service, kind, outcome)

    def expect_events(self, kinds: Iterable[str]) -> None:
        """Create the series of events that this service publishes at 0, so that the first of a kind is counted."""
        for kind in kinds:
            self.published.labels(self.service, "event", kind)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
