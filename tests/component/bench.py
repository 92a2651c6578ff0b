"""A test bench: real consumers and handlers on FastStream's in-memory broker, and everything they send kept.

The test broker runs handlers inline and stubs acknowledging, waiting and dead-lettering: what is proven here is which
handler gets a message and what is published. Delivery is proven on a real broker, in tests/integration.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from faststream.message.message import AckStatus
from faststream.rabbit import ExchangeType, RabbitExchange, RabbitQueue, TestRabbitBroker
from faststream.rabbit.message import RabbitMessage

from chassis.errors import PublishFailedError
from chassis.messaging.breaker import Breaker
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Consumer, Handlers
from chassis.messaging.envelope import Envelope, utc_now
from chassis.messaging.message_log import Copy
from chassis.messaging.replies import Replies
from chassis.runtime.metrics import Metrics
from contracts.message import Message, parse
from contracts.topology import EXCHANGES, FAILURES, Queue, queue_named

VERSION = "0.0.0-test"
REPLY_TO = "gateway.replies.5d0c4f2ab7e14e6f"
LOGIN = "a-service"
"""The one login of all services here."""


@dataclass(frozen=True, slots=True)
class Published:
    """One message as it left for the broker."""

    exchange: str
    routing_key: str
    kind: str
    body: bytes
    message_id: str
    correlation_id: str
    headers: dict[str, Any]
    timestamp: datetime | None
    acknowledged_before: bool
    """Whether the message that caused it had been acknowledged already."""

    @property
    def message(self) -> Message:
        return parse(self.kind, self.body)


@dataclass
class Bench:
    """One service's bus, without a broker."""

    service: str
    bus_type: type[Bus] = Bus
    metrics: Metrics = field(init=False)
    bus: Bus = field(init=False)
    published: list[Published] = field(default_factory=list)
    _came: dict[str, str | bool | None] = field(default_factory=dict)
    delivered: list[RabbitMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.service)
        self.bus = self.bus_type(
            f"amqp://{LOGIN}@localhost/", self.service, self.metrics, publish_timeout=5.0, graceful_timeout=1.0
        )
        self.bus._replies = cast(Replies, _KeptReplies(self))

    def consume(self, queue: Queue | str, handlers: Handlers, breaker: Breaker | None = None) -> None:
        """As a service's app does."""
        consumer = Consumer(self.bus, queue, handlers, self.metrics, VERSION, breaker)

        async def consume(message: RabbitMessage) -> None:
            self.delivered.append(message)
            raw = message.raw_message
            for name, value in self._came.items():
                object.__setattr__(raw, name, value)  # the test broker says none of it, and locks what it made
            await consumer(message)

        self.bus.subscribe(queue, consume, prefetch=8)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        for exchange in EXCHANGES:
            self._keep_what_goes_to(exchange.name, "#")
        async with TestRabbitBroker(self.bus.broker):
            yield self

    async def deliver(
        self,
        queue: Queue | str,
        message: Message | bytes,
        *,
        kind: str = "",
        headers: dict[str, Any] | None = None,
        message_id: str = "m-1",
        reply_to: str | None = REPLY_TO,
        timestamp: datetime | None = None,
        **came: str | bool | None,
    ) -> None:
        """A message arrives on a queue, sent by an account that may; returns when it has been handled.

        With an attempt beyond the first it comes back from a retry tier. `came` says otherwise how it came: `exchange`,
        `routing_key`, `user_id`, `redelivered`.
        """
        name = queue if isinstance(queue, str) else queue.name
        kind = kind if isinstance(message, bytes) else message.kind
        exchange = next((b.exchange for b in queue_named(name).bindings if b.routing_key == kind), "commands")
        self._came = {"exchange": exchange, "routing_key": kind, "user_id": LOGIN}
        attempt = (headers or {}).get("attempt")
        if isinstance(attempt, int) and attempt > 1:
            self._came |= {"exchange": "", "routing_key": name}
            origin = {"origin_queue": name, "origin_exchange": exchange, "origin_routing_key": kind}
            headers = {**origin, **(headers or {})}
        self._came |= came
        await self.bus.broker.publish(
            message if isinstance(message, bytes) else message.to_wire(),
            queue=name,
            message_type=kind,
            message_id=message_id,
            correlation_id="c-1",
            content_type="application/json",
            headers=headers or {},
            reply_to=reply_to,
            timestamp=timestamp,
        )

    @property
    def failures(self) -> list[Copy]:
        """What was copied for the message log because it failed."""
        return [copy for copy in self.bus.message_log._waiting if copy.source == FAILURES]

    @property
    def ended(self) -> list[AckStatus | None]:
        """How each delivered message was settled."""
        return [message.committed for message in self.delivered]

    @property
    def sent(self) -> list[Message]:
        return [published.message for published in self.published]

    def handled(self, kind: str, outcome: str) -> float:
        """How many inputs of a kind were counted to have ended so."""
        labels = {"service": self.service, "kind": kind, "outcome": outcome}
        return self.metrics.registry.get_sample_value("bellhop_messages_handled_total", labels) or 0.0

    def labels(self, metric: str) -> list[dict[str, str]]:
        """Of each series there is of a metric."""
        families = self.metrics.registry.collect()
        return [sample.labels for family in families if family.name == metric for sample in family.samples]

    def _keep_what_goes_to(self, exchange: str, routing_key: str) -> None:
        async def keep(message: RabbitMessage) -> None:
            raw = message.raw_message
            self.published.append(
                Published(
                    exchange=exchange,
                    routing_key=raw.routing_key or "",
                    kind=raw.type or "",
                    body=message.body,
                    message_id=message.message_id,
                    correlation_id=message.correlation_id,
                    headers=dict(message.headers),
                    timestamp=raw.timestamp if isinstance(raw.timestamp, datetime) else None,
                    acknowledged_before=any(delivered.committed for delivered in self.delivered),
                )
            )

        async def undecoded(message: Any) -> Any:
            return message

        queue = RabbitQueue(routing_key, routing_key=routing_key, declare=False)
        # The type the bus publishes with, whatever the exchange's own: the test broker compares the two.
        source = RabbitExchange(exchange, type=ExchangeType.TOPIC, declare=False) if exchange else None
        self.bus.broker.subscriber(queue, source, no_reply=True, decoder=undecoded)(keep)


@dataclass
class _KeptReplies:
    """Replies have a channel of their own, which the in-memory broker does not know."""

    bench: Bench

    def send(self, envelope: Envelope) -> None:
        now = utc_now()
        self.bench.published.append(
            Published(
                exchange=envelope.exchange,
                routing_key=envelope.routing_key,
                kind=envelope.kind,
                body=envelope.message.to_wire(),
                message_id=envelope.message_id,
                correlation_id=envelope.correlation_id,
                headers=envelope.headers(now),
                timestamp=now,
                acknowledged_before=any(delivered.committed for delivered in self.bench.delivered),
            )
        )


class DeafBus(Bus):
    """A bus whose broker confirms nothing."""

    async def publish_raw(self, body: bytes, *, exchange: str, routing_key: str, kind: str, **_: Any) -> None:
        raise PublishFailedError(kind, f"{exchange}/{routing_key}", TimeoutError())
