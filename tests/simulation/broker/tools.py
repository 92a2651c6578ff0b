"""An operator's connection: not restored when it is lost, with passive declares, and a reader of streams."""

from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any, Self

from aio_pika.exceptions import AMQPConnectionError, ChannelInvalidStateError, ChannelNotFoundEntity
from yarl import URL

from tests.simulation.broker.bus import BROKER
from tests.simulation.broker.client import Channel, Connection, Queue
from tests.simulation.broker.server import Broker
from tests.simulation.broker.streams import StreamReader
from tests.simulation.broker.underlay import LIBRARY_CLOSED


async def connection_for_tools(url: str, _name: str, *, timeout: float) -> "ToolConnection":  # noqa: ASYNC109
    """Stands for the one of chassis/messaging/amqp.py. Raises AMQPConnectionError."""
    connection = ToolConnection(BROKER.get(), URL(url))
    await connection._connect()
    return connection


class ToolConnection(Connection):
    """It ends when it is lost."""

    def __init__(self, broker: Broker, url: URL) -> None:
        super().__init__(broker)
        self.url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def channel(self, publisher_confirms: bool = True, on_return_raises: bool = False) -> "ToolChannel":  # type: ignore[override]
        return ToolChannel(self, confirms=publisher_confirms)

    async def _reconnect(self) -> None:
        """It does not: who uses it connects again."""
        self.is_closed = True
        for channel in list(self.channels):
            if channel.underlay is not None:
                channel.underlay.fail(AMQPConnectionError("the connection was lost"))
        self.connected.set()  # who waits for the connection finds its channels closed


class ToolChannel(Channel):
    """Opened by `await` or `async with`."""

    def __init__(self, connection: ToolConnection, *, confirms: bool) -> None:
        super().__init__(connection, confirms=confirms)
        self.is_abandoned = True  # what the broker closes stays closed

    def __await__(self) -> Generator[Any, None, Self]:
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _opened(self) -> Self:
        if self.connection.is_closed:
            raise ChannelInvalidStateError(LIBRARY_CLOSED)
        self.connection.channels.append(self)
        await self.restore()
        return self

    async def declare_queue(self, name: str, *, passive: bool = False, **options: Any) -> Queue:
        """Raises ChannelNotFoundEntity when there is no queue to declare passively."""
        if not passive:
            return await super().declare_queue(name, **options)
        broker = self.connection.broker

        def counted() -> int | None:
            if name in broker.streams:
                return 0  # as RabbitMQ does for a while: nothing may rely on it
            return broker.queues[name].ready if name in broker.queues else None

        found = await self._call(counted)
        if found is None:
            error = ChannelNotFoundEntity(f"NOT_FOUND - no queue '{name}'")
            assert self.underlay is not None
            self.underlay.fail(error)
            raise error
        return DeclaredQueue(self, name, found)


class DeclaredQueue(Queue):
    """A queue, or a stream, that was declared passively."""

    def __init__(self, channel: ToolChannel, name: str, count: int) -> None:
        super().__init__(channel, name)
        self.declaration_result = SimpleNamespace(message_count=count)

    async def consume(self, callback: Callable[..., Any], *, arguments: Any = None, **options: Any) -> str:
        if arguments is None:
            return await super().consume(callback, **options)
        begin, tag = arguments["x-stream-offset"], "reader"
        underlay = await self.channel.get_underlay_channel()
        underlay.consumers[tag] = callback

        def follow() -> None:
            StreamReader(underlay.server, self.name, begin, tag, self.channel._prefetch_count, underlay.delivered)

        await underlay.call(follow)
        return tag
