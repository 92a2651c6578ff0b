"""One open AMQP channel at the client's end, and the messages that come over it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiormq
from aio_pika.exceptions import ChannelInvalidStateError, ChannelNotFoundEntity
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.header import ContentHeader

from tests.simulation.broker.messages import Held, Wire
from tests.simulation.broker.server import ServerChannel
from tests.simulation.network import Line

if TYPE_CHECKING:
    from tests.simulation.broker.client import Channel, Connection

LIBRARY_CLOSED = "the connection is closed"


class Underlay:
    """One open AMQP channel. A robust channel has another one after each reconnect."""

    def __init__(self, connection: "Connection", server: ServerChannel) -> None:
        broker = connection.broker
        self.connection = connection
        self.server = server
        self.line = Line(broker.loop, broker.random, broker.latency)
        """To the broker."""
        self.consumers: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self.is_closed = False
        self.owner: Channel | None = None
        self._asked: dict[asyncio.Future[Any], None] = {}
        server.lost = self._closed_by_broker

    async def call(self, serve: Callable[..., Any], *args: Any) -> Any:
        """Ask the broker, and wait for its answer."""
        answer: asyncio.Future[Any] = self.connection.broker.loop.create_future()

        def served() -> None:
            if self.server.is_open:
                self.server.line.send(_answered, answer, serve(*args))

        return await self._sent(answer, served)

    async def _sent(self, answer: "asyncio.Future[Any]", at_the_broker: Callable[[], None]) -> Any:
        if self.is_closed:
            raise ChannelInvalidStateError(LIBRARY_CLOSED)
        self._asked[answer] = None
        self.line.send(at_the_broker)
        try:
            return await answer
        finally:
            self._asked.pop(answer, None)

    async def publish(self, wire: Wire, *, mandatory: bool, confirms: bool) -> None:
        """Raises as aiormq does: PublishError for what is returned, DeliveryError for a nack."""
        answer: asyncio.Future[str] = self.connection.broker.loop.create_future()

        def tell(how: str) -> None:
            _answered(answer, how)

        def arrived() -> None:
            self.server.publish(wire, mandatory=mandatory, answer=tell)

        if not confirms:
            if self.is_closed:
                raise ChannelInvalidStateError(LIBRARY_CLOSED)
            self.line.send(arrived)
            return
        match await self._sent(answer, arrived):
            case "returned":
                returned = aiormq.spec.Basic.Return(312, "NO_ROUTE", wire.exchange, wire.routing_key)
                message = DeliveredMessage(
                    delivery=returned,
                    header=ContentHeader(),
                    body=wire.body,
                    channel=None,  # type: ignore[arg-type]
                )
                raise PublishError(message, returned)
            case "nack":
                raise DeliveryError(None, aiormq.spec.Basic.Nack())
            case "missing":
                self.fail(ChannelNotFoundEntity(f"NOT_FOUND - no exchange '{wire.exchange}'"))
                raise ChannelNotFoundEntity(f"NOT_FOUND - no exchange '{wire.exchange}'")
            case _:
                return

    def delivered(self, tag: str, delivery_tag: int, held: Held) -> None:
        """A message has come. Its handling is a task of the process that consumes."""
        process = self.connection.process
        callback = self.consumers.get(tag)
        if self.is_closed or callback is None or not process.alive:
            return  # as aiormq drops what comes for a consumer that it has cancelled; it stays unacknowledged
        message = IncomingMessage.of(held, delivery_tag, self)
        self.connection.broker.loop.create_task(_handled(callback, message), name="delivery", context=process.context)

    def settle(self, delivery_tag: int, how: str) -> None:
        if self.is_closed:
            raise ChannelInvalidStateError(LIBRARY_CLOSED)
        self.line.send(self.server.settle, delivery_tag, how)

    async def close(self) -> None:
        """Close this channel; a robust one opens the next."""
        if not self.is_closed:
            self.line.send(self.server.close)
            self.fail(ChannelInvalidStateError(LIBRARY_CLOSED))

    def _closed_by_broker(self) -> None:
        """In the world's context: the process learns it."""
        if self.connection.process.alive and not self.is_closed:
            error = ChannelInvalidStateError("closed by the broker")
            loop = self.connection.broker.loop
            loop.call_soon(self.fail, error, context=self.connection.process.context)

    def fail(self, error: Exception) -> None:
        self.is_closed = True
        for answer in list(self._asked):
            if not answer.done():
                answer.set_exception(error)
        self._asked.clear()
        if self.owner is not None:
            self.owner.closed(self, error)


async def _handled(callback: Callable[[Any], Awaitable[Any]], message: Any) -> None:
    await callback(message)


def _answered(answer: "asyncio.Future[Any]", how: Any) -> None:
    if not answer.done():
        answer.set_result(how)


@dataclass(slots=True, eq=False)
class IncomingMessage:
    """A delivered message: what aio-pika's and FastStream's classes say of it."""

    body: bytes
    headers: dict[str, Any]
    type: str | None
    message_id: str
    correlation_id: str
    reply_to: str | None
    user_id: str | None
    app_id: str | None
    timestamp: datetime | None
    exchange: str
    routing_key: str
    redelivered: bool
    delivery_tag: int
    channel: Underlay

    @classmethod
    def of(cls, held: Held, delivery_tag: int, channel: Underlay) -> "IncomingMessage":
        wire = held.wire
        return cls(
            wire.body, held.headers(), wire.type, wire.message_id or "", wire.correlation_id or "", wire.reply_to,
            wire.user_id, wire.app_id, wire.timestamp, wire.exchange, wire.routing_key, held.deliveries > 0,
            delivery_tag, channel,
        )  # fmt: skip

    @property
    def raw_message(self) -> "IncomingMessage":
        return self

    async def ack(self, multiple: bool = False) -> None:
        self.channel.settle(self.delivery_tag, "ack up to" if multiple else "ack")

    async def nack(self, requeue: bool = True) -> None:
        self.channel.settle(self.delivery_tag, "requeue" if requeue else "reject")

    async def reject(self, requeue: bool = False) -> None:
        await self.nack(requeue)
