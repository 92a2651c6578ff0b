"""The client library's end: connections, channels, queues and exchanges, as far as Bellhop uses aio-pika's.

Like aio-pika's robust connection, this one comes back when it is lost, with its channels, its queues and their
consumers; a queue of its own comes back under another name (chassis/messaging/amqp.py, ReplaceableQueue).
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aio_pika.exceptions import AMQPConnectionError, ChannelInvalidStateError, ChannelNotFoundEntity

from tests.simulation.broker.messages import Wire
from tests.simulation.broker.server import Broker, ServerChannel, ServerConnection
from tests.simulation.broker.underlay import LIBRARY_CLOSED, IncomingMessage, Underlay
from tests.simulation.loop import PROCESS

_RECONNECT_AFTER = 0.5


class Connection:
    """A robust connection of one process."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.process = PROCESS.get(broker.loop.world)
        self.connected = asyncio.Event()
        self.is_closed = False
        self.server: ServerConnection | None = None
        self.channels: list[Channel] = []
        self._is_reconnecting = False

    @classmethod
    async def open(cls, broker: Broker) -> "Connection":
        connection = cls(broker)
        await connection._connect()
        return connection

    async def _connect(self) -> None:
        """Raises AMQPConnectionError while the broker is down."""
        await asyncio.sleep(self.broker.latency.drawn(self.broker.random) * 4)
        if not self.broker.is_up:
            raise AMQPConnectionError("the broker refuses connections")
        self.server = ServerConnection(self.broker, self._lost, self.process)
        self.broker.connections.append(self.server)
        self.connected.set()

    def _lost(self) -> None:
        """In the world's context: the process learns it, and begins to connect again."""
        if self.is_closed or not self.process.alive:
            return
        self.connected.clear()
        self.broker.loop.create_task(self._reconnect(), name="reconnecting", context=self.process.context)

    async def _reconnect(self) -> None:
        """Until a connection is open with all channels: one at a time, also if that one is lost meanwhile."""
        self._fail_channels()
        if self._is_reconnecting:
            return
        self._is_reconnecting = True
        while not self.is_closed and not self.connected.is_set():
            await asyncio.sleep(_RECONNECT_AFTER)
            try:
                await self._connect()
                for channel in list(self.channels):
                    await channel.restore()
            except (AMQPConnectionError, ChannelInvalidStateError):
                self.connected.clear()
                if self.server is not None and self.server.is_open:
                    self.server.end()
                    self._fail_channels()
        self._is_reconnecting = False

    def _fail_channels(self) -> None:
        for channel in self.channels:
            if channel.underlay is not None:
                channel.underlay.fail(AMQPConnectionError("the connection was lost"))

    async def channel(self, publisher_confirms: bool = True, on_return_raises: bool = False) -> "Channel":
        await self.connected.wait()
        channel = Channel(self, confirms=publisher_confirms)
        self.channels.append(channel)
        await channel.restore()
        return channel

    async def close(self) -> None:
        self.is_closed = True
        for channel in self.channels:
            channel.is_abandoned = True
            if channel.underlay is not None:
                channel.underlay.fail(ChannelInvalidStateError(LIBRARY_CLOSED))
        if self.server is not None and self.server.is_open:
            self.server.end()


class CloseCallbacks(list[Callable[..., Any]]):
    def add(self, callback: Callable[..., Any]) -> None:
        self.append(callback)


class Channel:
    """A robust channel."""

    def __init__(self, connection: Connection, *, confirms: bool) -> None:
        self.connection = connection
        self.confirms = confirms
        self.underlay: Underlay | None = None
        self.close_callbacks = CloseCallbacks()
        self.is_abandoned = False
        self._prefetch_count = 0
        self._is_ready = asyncio.Event()
        self.queues: list[Queue] = []

    @property
    def is_closed(self) -> bool:
        return self.underlay is None or self.underlay.is_closed

    async def ready(self) -> None:
        await self.connection.connected.wait()
        await self._is_ready.wait()

    async def get_underlay_channel(self) -> Underlay:
        await self.connection.connected.wait()
        if self.underlay is None:
            raise ChannelInvalidStateError("no channel")
        return self.underlay

    async def restore(self) -> None:
        """Open another channel below this one, with its queues and their consumers."""
        server = self.connection.server
        if server is None or not server.is_open:
            raise AMQPConnectionError("no connection")
        underlay = Underlay(self.connection, ServerChannel(server))
        underlay.owner = self
        self.underlay = underlay
        for queue in self.queues:
            await queue.restore()
        self._is_ready.set()

    async def reopen(self) -> None:
        await self.restore()

    def closed(self, underlay: Underlay, error: Exception) -> None:
        if underlay is not self.underlay:
            return
        self._is_ready.clear()
        for callback in self.close_callbacks:
            callback(self, error)
        loop = self.connection.broker.loop
        is_lost = isinstance(error, AMQPConnectionError)
        if not is_lost and not self.is_abandoned and not self.connection.is_closed:
            loop.create_task(self._restored(), name="reopening", context=self.connection.process.context)

    async def _restored(self) -> None:
        try:
            await self.restore()
        except (AMQPConnectionError, ChannelInvalidStateError):
            return  # with the connection, its channels come back

    async def close(self) -> None:
        self.is_abandoned = True
        if self.underlay is not None:
            await self.underlay.close()
        if self in self.connection.channels:
            self.connection.channels.remove(self)

    async def set_qos(self, prefetch_count: int = 0) -> None:
        self._prefetch_count = prefetch_count
        await self._call(lambda: None)

    async def declare_queue(
        self,
        name: str,
        *,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> "Queue":
        queue = Queue(self, name, exclusive=exclusive, arguments=arguments)
        await queue.declare()
        self.queues.append(queue)
        return queue

    async def declare_exchange(self, name: str, type: str = "topic", durable: bool = True) -> "Exchange":  # noqa: A002
        await self._call(lambda: self.connection.broker.exchanges.add(name))
        return Exchange(self, name)

    async def get_exchange(self, name: str, *, ensure: bool = True) -> "Exchange":
        return Exchange(self, name)

    async def get_queue(self, name: str, *, ensure: bool = True) -> "Queue":
        return Queue(self, name)

    @property
    def default_exchange(self) -> "Exchange":
        return Exchange(self, "")

    async def _call(self, serve: Callable[..., Any], *args: Any) -> Any:
        if self.underlay is None:
            raise ChannelInvalidStateError("no channel")
        return await self.underlay.call(serve, *args)


class Queue:
    """A queue as one channel knows it."""

    def __init__(
        self, channel: Channel, name: str, *, exclusive: bool = False, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.channel = channel
        self.name = name
        self.exclusive = exclusive
        self._arguments = arguments or {}
        self._bound: list[tuple[str, str]] = []
        self._consumed: dict[str, tuple[Callable[..., Any], bool]] = {}

    async def declare(self) -> None:
        def declared() -> None:
            if self._arguments.get("x-queue-type") == "stream":
                self.channel.connection.broker.declare_stream(self.name)
                return
            self.channel.connection.broker.declare(self.name, self._arguments, is_exclusive=self.exclusive)
            server = self.channel.connection.server
            if self.exclusive and server is not None:
                server.exclusive.append(self.name)

        await self.channel._call(declared)

    async def bind(self, exchange: Any, routing_key: str) -> None:
        name = getattr(exchange, "name", exchange)
        self._bound.append((name, routing_key))
        await self.channel._call(self.channel.connection.broker.bind, self.name, name, routing_key)

    async def consume(self, callback: Callable[..., Any], *, no_ack: bool = False, consumer_tag: str = "") -> str:
        tag = consumer_tag or f"ctag.{uuid.uuid4().hex}"
        underlay = await self.channel.get_underlay_channel()
        underlay.consumers[tag] = callback
        prefetch = self.channel._prefetch_count

        def consume() -> bool:
            return underlay.server.consume(self.name, tag, prefetch, underlay.delivered, no_ack=no_ack)

        if not await underlay.call(consume):
            del underlay.consumers[tag]
            error = ChannelNotFoundEntity(f"NOT_FOUND - no queue '{self.name}'")
            underlay.fail(error)
            raise error
        self._consumed[tag] = (callback, no_ack)
        if self not in self.channel.queues:
            self.channel.queues.append(self)
        return tag

    async def cancel(self, consumer_tag: str) -> None:
        self._consumed.pop(consumer_tag, None)
        underlay = await self.channel.get_underlay_channel()
        await underlay.call(underlay.server.cancel, consumer_tag)
        underlay.consumers.pop(consumer_tag, None)

    async def get(self, *, no_ack: bool = False, fail: bool = True) -> IncomingMessage | None:
        underlay = await self.channel.get_underlay_channel()

        def fetched() -> Any:
            is_known = self.name in self.channel.connection.broker.queues
            return underlay.server.get(self.name, no_ack=no_ack) if is_known else "missing"

        got = await underlay.call(fetched)
        if got == "missing":
            error = ChannelNotFoundEntity(f"NOT_FOUND - no queue '{self.name}'")
            underlay.fail(error)
            raise error
        return None if got is None else IncomingMessage.of(got[1], got[0], underlay)

    async def restore(self) -> None:
        """On a channel that was opened again."""
        if self.exclusive:
            former, self.name = self.name, f"{self.name.rpartition('.')[0]}.{uuid.uuid4().hex}"
            self._bound = [(exchange, self.name if key == former else key) for exchange, key in self._bound]
        if self.exclusive or self._arguments:
            await self.declare()
        for exchange, key in self._bound:
            await self.channel._call(self.channel.connection.broker.bind, self.name, exchange, key)
        for tag, (callback, no_ack) in list(self._consumed.items()):
            await self.consume(callback, no_ack=no_ack, consumer_tag=tag)


class Exchange:
    """An exchange to publish to."""

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self.name = name

    async def publish(self, message: Any, routing_key: str, *, mandatory: bool = True) -> None:
        """`message` is aio-pika's."""
        expiration = message.expiration
        wire = Wire(
            body=message.body,
            exchange=self.name,
            routing_key=routing_key,
            type=message.type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            user_id=message.user_id,
            app_id=message.app_id,
            content_type=message.content_type,
            timestamp=whole_seconds(message.timestamp),
            expiration=float(expiration) if isinstance(expiration, int | float) else None,
            headers=dict(message.headers),
        )
        await self.publish_wire(wire, mandatory=mandatory)

    async def publish_wire(self, wire: Wire, *, mandatory: bool) -> None:
        underlay = await self.channel.get_underlay_channel()
        await underlay.publish(wire, mandatory=mandatory, confirms=self.channel.confirms)


def whole_seconds(timestamp: Any) -> datetime | None:
    """AMQP's timestamp has no fractions."""
    return timestamp.replace(microsecond=0) if isinstance(timestamp, datetime) else None
