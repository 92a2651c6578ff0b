"""Queues with the semantics that RabbitMQ documents for quorum queues and for exclusive ones.

https://www.rabbitmq.com/docs/quorum-queues: redelivery with a count, a delivery limit, time to live at the head of the
queue, dead-lettering at least once. tests/simulation/contracts runs the same scenarios on a real broker.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulation.broker.messages import Held, Wire
from tests.simulation.loop import SimulatedLoop

_DEAD_LETTER_AGAIN_AFTER = 5.0


@dataclass(eq=False, slots=True)
class Consumer:
    """A consumer as the broker knows it. `deliver` sends it a message."""

    tag: str
    deliver: Callable[["Consumer", Held], None]
    prefetch: int
    """Messages it may hold unacknowledged; 0: any number."""
    no_ack: bool = False
    holds: int = 0
    is_cancelled: bool = False


@dataclass(eq=False)
class Queue:
    """A queue and who consumes it."""

    name: str
    loop: SimulatedLoop
    republish: Callable[[Wire], bool]
    """Publishes a dead letter; False when no queue takes it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    is_exclusive: bool = False
    waiting: deque[Held] = field(default_factory=deque)
    returned: deque[Held] = field(default_factory=deque)
    """Given back to the head of the queue: these go first."""
    unacknowledged: set[int] = field(default_factory=set)
    dead_lettering: list[tuple[Held, str]] = field(default_factory=list)
    """Expired or given up, and not taken by another queue yet."""
    consumers: deque[Consumer] = field(default_factory=deque)
    is_available: bool = True
    """Without a leader it hands out nothing."""
    lost: int = 0
    _number: int = 0
    _is_waking: bool = False

    @property
    def depth(self) -> int:
        """Messages that it still has, in whatever state."""
        return len(self.waiting) + len(self.returned) + len(self.unacknowledged) + len(self.dead_lettering)

    @property
    def ready(self) -> int:
        return len(self.waiting) + len(self.returned)

    def put(self, wire: Wire) -> None:
        self._number += 1
        times = [wire.expiration, self.arguments.get("x-message-ttl", 0) / 1000 or None]
        ttl = min((time for time in times if time is not None), default=None)
        held = Held(wire, self._number, expires_at=None if ttl is None else self.loop.time() + ttl)
        self.waiting.append(held)
        if ttl is not None:
            self._expire_later()
        self.pump()

    def add(self, consumer: Consumer) -> None:
        self.consumers.append(consumer)
        self.pump()

    def remove(self, consumer: Consumer) -> None:
        consumer.is_cancelled = True
        if consumer in self.consumers:
            self.consumers.remove(consumer)

    def pump(self) -> None:
        """Hand out what there is to those that may hold more, in turn."""
        self._expire()
        while self.is_available and self.ready and (consumer := self._next_consumer()) is not None:
            held = self.take()
            if held is None:
                return
            if not consumer.no_ack:
                consumer.holds += 1
                self.unacknowledged.add(held.number)
            consumer.deliver(consumer, held)

    def take(self) -> Held | None:
        """The next message, for a consumer or a get."""
        self._expire()
        if self.returned:
            return self.returned.popleft()
        return self.waiting.popleft() if self.waiting else None

    def _next_consumer(self) -> Consumer | None:
        for _ in range(len(self.consumers)):
            consumer = self.consumers[0]
            self.consumers.rotate(-1)
            if consumer.no_ack or not consumer.prefetch or consumer.holds < consumer.prefetch:
                return consumer
        return None

    def acknowledge(self, held: Held) -> None:
        self.unacknowledged.discard(held.number)
        self.pump()

    def give_back(self, held: Held) -> None:
        """Not acknowledged: delivered again, before or after the others, until the delivery limit."""
        if held.number not in self.unacknowledged:
            return
        self.unacknowledged.discard(held.number)
        self._number += 1
        # Another number: what its former consumer still says about it is about nothing any more.
        held = Held(held.wire, self._number, held.deliveries, held.expires_at)
        held.deliveries += not self.is_exclusive
        limit = self.arguments.get("x-delivery-limit")
        if limit is not None and held.deliveries > limit:
            self._die(held, "delivery_limit")
        elif self.loop.random.random() < 0.5:
            self.returned.append(held)
        else:
            self.waiting.append(held)
        self.pump()

    def reject(self, held: Held) -> None:
        """Without requeue: dead-lettered."""
        self.unacknowledged.discard(held.number)
        self._die(held, "rejected")
        self.pump()

    def _expire(self) -> None:
        now = self.loop.time()
        while self.waiting and (at := self.waiting[0].expires_at) is not None and at <= now:
            self._die(self.waiting.popleft(), "expired")

    def _expire_later(self) -> None:
        if self._is_waking or not self.waiting or self.waiting[0].expires_at is None:
            return
        self._is_waking = True
        self.loop.call_at(self.waiting[0].expires_at, self._wake, context=self.loop.world.context)

    def _wake(self) -> None:
        self._is_waking = False
        self.pump()
        self._expire_later()

    def _die(self, held: Held, reason: str) -> None:
        if "x-dead-letter-exchange" not in self.arguments:
            self.lost += reason != "expired"
            return
        self.dead_lettering.append((held, reason))
        self._dead_letter()

    def _dead_letter(self) -> None:
        """Each stays here until another queue has it: at-least-once dead-lettering."""
        now = datetime.fromtimestamp(int(self.loop.unix_time()), UTC)
        exchange = self.arguments["x-dead-letter-exchange"]
        for held, reason in list(self.dead_lettering):
            key = self.arguments.get("x-dead-letter-routing-key", held.wire.routing_key)
            if self.republish(held.wire.dead_lettered(exchange, key, self.name, reason, now)):
                self.dead_lettering.remove((held, reason))
        if self.dead_lettering:
            again_at = self.loop.time() + _DEAD_LETTER_AGAIN_AFTER
            self.loop.call_at(again_at, self._dead_letter, context=self.loop.world.context)
