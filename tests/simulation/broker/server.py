"""The broker: exchanges, bindings, queues, and the server's end of each connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from contracts.topology import EXCHANGES, MARK, QUEUES, QueueType
from tests.simulation.broker.messages import Held, Wire
from tests.simulation.broker.queues import Consumer, Queue
from tests.simulation.loop import Process, SimulatedLoop
from tests.simulation.network import Latency, Line


class Broker:
    """One RabbitMQ cluster, seen from outside."""

    def __init__(self, loop: SimulatedLoop, random: Random, latency: Latency | None = None) -> None:
        self.loop = loop
        self.random = random
        self.latency = latency or Latency()
        self.exchanges: set[str] = {""}
        self.queues: dict[str, Queue] = {}
        self.streams: dict[str, list[Wire]] = {}
        self.arrived: dict[str, list[float]] = {}
        """When each message of a stream came, in Unix time."""
        self.readers: list[Callable[[], None]] = []
        """Consumers of streams, which are due for what is new."""
        self.connections: list[ServerConnection] = []
        self.is_up = True
        self.published: set[str | None] = set()
        """Ids of all messages that ever came into a queue."""
        self.confirms_lost = 0.0
        """How often a confirm is lost, together with its connection."""
        self.refusing: set[str] = set()
        """Queues that fail: a publish to them is answered with a nack."""
        self.unconfirmed: dict[str, list[Callable[[], None]]] = {}
        """Confirms of what was published to queues without a leader, held back until they have one."""
        self.on_settled: Callable[[Queue, Held, str], None] = lambda _queue, _held, _how: None
        self._bindings: dict[str, list[tuple[str, str]]] = {}
        self._routes: dict[tuple[str, str], tuple[str, ...]] = {}

    def declare_topology(self) -> None:
        """Everything that contracts/topology.py names."""
        self.exchanges |= {exchange.name for exchange in EXCHANGES}
        for queue in (*QUEUES, MARK):
            if queue.type is QueueType.STREAM:
                self.declare_stream(queue.name)
            else:
                self.declare(queue.name, queue.arguments)
            for binding in queue.bindings:
                self.bind(queue.name, binding.exchange, binding.routing_key)

    def declare_stream(self, name: str) -> None:
        self.streams.setdefault(name, [])
        self.arrived.setdefault(name, [])
        self._routes.clear()

    def declare(self, name: str, arguments: Mapping[str, Any], *, is_exclusive: bool = False) -> Queue:
        known = self.queues.get(name)
        if known is None:
            known = Queue(name, self.loop, self._republish, arguments, is_exclusive=is_exclusive)
            self.queues[name] = known
            self._routes.clear()
        return known

    def delete(self, name: str) -> None:
        self.queues.pop(name, None)
        for bound in self._bindings.values():
            bound[:] = [each for each in bound if each[1] != name]
        self._routes.clear()

    def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        bound = self._bindings.setdefault(exchange, [])
        if (routing_key, queue) not in bound:
            bound.append((routing_key, queue))
        self._routes.clear()

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        self._bindings.get(exchange, []).remove((routing_key, queue))
        self._routes.clear()

    def route(self, exchange: str, routing_key: str) -> tuple[str, ...]:
        """The queues and streams that a message sent there with this key reaches."""
        found = self._routes.get((exchange, routing_key))
        if found is None:
            if exchange == "":
                names = [routing_key] if routing_key in self.queues or routing_key in self.streams else []
            else:
                bound = self._bindings.get(exchange, ())
                names = [queue for pattern, queue in bound if matches(pattern, routing_key)]
            found = self._routes[exchange, routing_key] = tuple(dict.fromkeys(names))
        return found

    def enqueue(self, wire: Wire) -> tuple[Queue, ...]:
        """Put a message into every queue it reaches. Returns those queues, streams left out."""
        queues = []
        self.published.add(wire.message_id)
        for name in self.route(wire.exchange, wire.routing_key):
            if name in self.streams:
                self.streams[name].append(wire)
                self.arrived[name].append(self.loop.unix_time())
            else:
                queues.append(self.queues[name])
        for queue in queues:
            queue.put(wire)
        for read_on in list(self.readers):
            read_on()
        return tuple(queues)

    def _republish(self, wire: Wire) -> bool:
        """A dead letter, which stays where it is until every queue has confirmed it."""
        if any(name in self.refusing for name in self.route(wire.exchange, wire.routing_key)):
            return False
        return bool(self.enqueue(wire))

    def crash(self, seconds: float) -> None:
        """Every connection ends; after a while the broker is back with what it had confirmed."""
        self.is_up = False
        for connection in list(self.connections):
            connection.drop()
        self.loop.call_at(self.loop.time() + seconds, self._restart, context=self.loop.world.context)

    def _restart(self) -> None:
        self.is_up = True

    def fail_over(self, name: str, seconds: float, *, publishes: str = "confirmed") -> None:
        """The queue has no leader for a while; what was handed out may be handed out again meanwhile acknowledged.

        `publishes` to it are "confirmed" at once, "refused", or confirmed "late": once it has a leader again.
        """
        queue = self.queues[name]
        queue.is_available = False
        if publishes == "refused":
            self.refusing.add(name)
        elif publishes == "late":
            self.unconfirmed.setdefault(name, [])
        for connection in self.connections:
            connection.forget(queue, self.random)
        self.loop.call_at(self.loop.time() + seconds, self._elected, queue, context=self.loop.world.context)

    def _elected(self, queue: Queue) -> None:
        queue.is_available = True
        self.refusing.discard(queue.name)
        for confirm in self.unconfirmed.pop(queue.name, ()):
            confirm()
        queue.pump()


def matches(pattern: str, routing_key: str) -> bool:
    """As a topic exchange compares words: `*` stands for one, `#` for any number of them."""
    if pattern == "#" or pattern == routing_key:
        return True
    if "*" not in pattern and "#" not in pattern:
        return False
    return _words_match(pattern.split("."), routing_key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_words_match(pattern[1:], words[start:]) for start in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _words_match(pattern[1:], words[1:])


@dataclass(eq=False, slots=True)
class ServerConnection:
    """The broker's end of a connection. `lost` tells the client that it is over."""

    broker: Broker
    lost: Callable[[], None]
    owner: Process
    channels: list["ServerChannel"] = field(default_factory=list)
    exclusive: list[str] = field(default_factory=list)
    is_open: bool = True

    def drop(self) -> None:
        """The connection ends: what was in hand goes back, queues of its own go. The client learns it later."""
        if not self.is_open:
            return
        self.end()
        line = Line(self.broker.loop, self.broker.random, self.broker.latency)
        line.send(self.lost)

    def end(self) -> None:
        self.is_open = False
        self.broker.connections.remove(self)
        for channel in list(self.channels):
            channel.close()
        for name in self.exclusive:
            self.broker.delete(name)

    def forget(self, queue: Queue, random: Random) -> None:
        for channel in self.channels:
            channel.forget(queue, random)


class ServerChannel:
    """The broker's end of a channel: what it has handed out, and to which consumers."""

    def __init__(self, connection: ServerConnection) -> None:
        broker = connection.broker
        self.connection = connection
        self.broker = broker
        self.line = Line(broker.loop, broker.random, broker.latency)
        """To the client."""
        self.consumers: dict[str, tuple[Queue, Consumer]] = {}
        self.unacknowledged: dict[int, tuple[Held, Queue, Consumer | None]] = {}
        self.is_open = True
        self.lost: Callable[[], None] = lambda: None
        """Tells the client that the broker has closed this channel."""
        self._tag = 0
        connection.channels.append(self)

    def publish(self, wire: Wire, *, mandatory: bool, answer: Callable[[str], None]) -> None:
        """`answer` gets "ack", "nack", "returned", or "missing" for an exchange that is not there."""
        if not self.is_open:
            return
        broker = self.broker
        if wire.exchange not in broker.exchanges:
            self.line.send(answer, "missing")
            return
        reached = broker.route(wire.exchange, wire.routing_key)
        if not reached and mandatory:
            self.line.send(answer, "returned")
            return
        if any(name in broker.refusing for name in reached):
            self.line.send(answer, "nack")
            return
        broker.enqueue(wire)
        if broker.confirms_lost and broker.random.random() < broker.confirms_lost:
            self.connection.drop()
            return
        late = next((name for name in reached if name in broker.unconfirmed), None)
        if late is not None:
            broker.unconfirmed[late].append(partial(self.line.send, answer, "ack"))
        else:
            self.line.send(answer, "ack")

    def consume(self, name: str, tag: str, prefetch: int, deliver: Callable[..., None], *, no_ack: bool) -> bool:
        """False: there is no such queue."""
        queue = self.broker.queues.get(name)
        if queue is None or not self.is_open:
            return False

        def send(consumer: Consumer, held: Held) -> None:
            self.line.send(deliver, tag, self._handed_out(held, queue, consumer), held)

        consumer = Consumer(tag, send, prefetch, no_ack)
        self.consumers[tag] = (queue, consumer)
        queue.add(consumer)
        return True

    def hand_over(self, held: Held, reader: Any, deliver: Callable[..., None], tag: str) -> None:
        """A message of a stream."""
        self.line.send(deliver, tag, self._handed_out(held, reader, None), held)

    def get(self, name: str, *, no_ack: bool) -> tuple[int, Held] | None:
        queue = self.broker.queues[name]
        if not queue.is_available:
            self.connection.drop()  # RabbitMQ: 541 INTERNAL_ERROR, for its operation timed out
            return None
        held = queue.take()
        if held is None:
            return None
        if not no_ack:
            queue.unacknowledged.add(held.number)
        return self._handed_out(held, queue, None, keeps=not no_ack), held

    def _handed_out(self, held: Held, queue: Queue, consumer: Consumer | None, *, keeps: bool | None = None) -> int:
        self._tag += 1
        if keeps if keeps is not None else not (consumer and consumer.no_ack):
            self.unacknowledged[self._tag] = (held, queue, consumer)
        return self._tag

    def settle(self, delivery_tag: int, how: str) -> None:
        """`how`: ack, ack up to, requeue or reject. A tag that is not known any more was given to another consumer."""
        if how == "ack up to":
            for tag in [tag for tag in self.unacknowledged if tag <= delivery_tag]:
                self.settle(tag, "ack")
            return
        known = self.unacknowledged.pop(delivery_tag, None) if self.is_open else None
        if known is None:
            return
        held, queue, consumer = known
        if consumer is not None:
            consumer.holds -= 1
        self.broker.on_settled(queue, held, how)
        match how:
            case "ack":
                queue.acknowledge(held)
            case "requeue":
                queue.give_back(held)
            case _:
                queue.reject(held)

    def cancel(self, tag: str) -> None:
        """What the consumer holds stays in its hands."""
        known = self.consumers.pop(tag, None)
        if known is not None:
            queue, consumer = known
            queue.remove(consumer)
            if queue.is_exclusive and not queue.consumers:
                self.broker.delete(queue.name)

    def end_by_broker(self) -> None:
        """As after an internal error at the broker, or when a message was held for too long."""
        self.close()
        self.line.send(self.lost)

    def forget(self, queue: Queue, random: Random) -> None:
        """A new leader of the queue may not know that some of this was handed out, or acknowledged."""
        for tag, (held, of, consumer) in list(self.unacknowledged.items()):
            if of is queue and random.random() < 0.5:
                del self.unacknowledged[tag]
                if consumer is not None:
                    consumer.holds -= 1
                queue.give_back(held)

    def close(self) -> None:
        """What is in hand goes back to its queue."""
        if not self.is_open:
            return
        self.is_open = False
        self.connection.channels.remove(self)
        for queue, consumer in self.consumers.values():
            queue.remove(consumer)
        for held, queue, _ in reversed(self.unacknowledged.values()):
            queue.give_back(held)
        self.unacknowledged.clear()
