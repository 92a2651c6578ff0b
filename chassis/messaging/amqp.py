"""Connections to the broker on which no call is ever cancelled. No other module opens one.

aiormq closes the channel on which a call is cancelled, by a time-out as well. RabbitMQ may then close the connection:
the second of two `channel.close` frames answers no open channel (seen: `504 CHANNEL_ERROR expected 'channel.open'`).
The rule is enforced below the client library's own code, so it covers every call: this system's, FastStream's, and
those that aio-pika makes while it reconnects. A caller may stop waiting at any moment; the call itself runs to its end.
"""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aio_pika import Channel, Connection, RobustChannel, RobustConnection, RobustQueue, connect
from aio_pika.abc import AbstractConnection, TimeoutType
from aio_pika.exceptions import AMQPConnectionError
from aiormq.abc import ExceptionType
from faststream.rabbit import RabbitBroker

from chassis.messaging import amqp_decoding
from chassis.messaging.broker_address import BrokerAddress
from chassis.runtime.background import is_being_cancelled

AnswerT = TypeVar("AnswerT")

_CLOSING_SECONDS = 0.01

amqp_decoding.install()

_under_way: set[asyncio.Future[Any]] = set()
"""asyncio itself keeps no reference to a task that runs."""


def shielded(call: Coroutine[Any, Any, AnswerT]) -> asyncio.Future[AnswerT]:
    """Start a call that survives the cancellation of its caller."""
    return asyncio.shield(_kept(call))


def _kept(call: Coroutine[Any, Any, AnswerT]) -> asyncio.Future[AnswerT]:
    task = asyncio.ensure_future(_answered(call))
    _under_way.add(task)
    task.add_done_callback(_finished)
    return task


async def _answered(call: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """aiormq ends the calls of a connection that it gives up with CancelledError, though nothing was cancelled. That
    would end the caller as well, and a background loop for good."""
    try:
        return await call
    except asyncio.CancelledError as ended:
        if is_being_cancelled():
            raise
        raise AMQPConnectionError("the connection ended before the broker answered") from ended


def _finished(task: asyncio.Future[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # the caller has it; without a caller, asyncio must not report it as unseen


class _Shielded(Channel):
    """A channel whose opening and whose calls are shielded."""

    async def initialize(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        opening = _kept(super().initialize(timeout))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._close_unused)
            raise

    def _close_unused(self, opening: asyncio.Future[None]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            _kept(self.close())

    async def close(self, exc: ExceptionType | None = None) -> None:
        await shielded(super().close(exc))

    async def _on_open(self) -> None:
        channel = await self.get_underlay_channel()
        for name in ("rpc", "basic_get"):
            setattr(channel, name, _shielding(getattr(channel, name)))
        await super()._on_open()


def _shielding(call: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def shielded_call(*args: Any, timeout: float | None = None, **named: Any) -> Any:  # noqa: ASYNC109
        async with asyncio.timeout(timeout):
            return await shielded(call(*args, **named))

    return shielded_call


class ShieldedChannel(_Shielded, Channel):
    pass


class ReplaceableQueue(RobustQueue):
    """A queue that is restored with its channel, under a new name if it is exclusive to this connection.

    RabbitMQ 4.3 keeps such a queue locked when the node that held its connection is killed (`resource_locked`, seen in
    tests/chaos/test_cluster.py): under its old name it could not be declared again.
    """

    async def restore(self, channel: Any = None) -> None:
        if self.exclusive:
            former, self.name = self.name, f"{self.name.rpartition('.')[0]}.{uuid.uuid4().hex}"
            self._bindings = {
                (exchange, self.name if key == former else key): arguments
                for (exchange, key), arguments in self._bindings.items()
            }
        await super().restore()


class ShieldedRobustChannel(_Shielded, RobustChannel):
    QUEUE_CLASS = ReplaceableQueue

    async def ready(self) -> None:
        """Return once the channel is open, even if it was closed a moment ago and has not noticed yet."""
        await super().ready()
        while self.is_closed and not (self._close_called or self._connection.is_closed):
            await asyncio.sleep(_CLOSING_SECONDS)
            await super().ready()


class ShieldedConnection(Connection):
    """For tools: the connection ends when it is lost."""

    CHANNEL_CLASS = ShieldedChannel

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109
        """Connect once. On failure the connection is closed here: the library would close it when it is collected, when
        no loop may be running."""
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class ShieldedRobustConnection(RobustConnection):
    """For services: a lost connection is restored with its channels, queues and consumers."""

    CHANNEL_CLASS = ShieldedRobustChannel


async def connection_for_tools(url: str, name: str, *, timeout: float) -> AbstractConnection:  # noqa: ASYNC109
    """Connect once. `name` is shown in RabbitMQ's management page."""
    return await connect(BrokerAddress(url).named(name).url, timeout=timeout, connection_class=ShieldedConnection)


class ShieldedBroker(RabbitBroker):
    """FastStream's broker over a shielded connection."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._connection_kwargs["connection_class"] = ShieldedRobustConnection


def server_version(connection: AbstractConnection) -> str:
    """The version that the broker named when the connection was opened; `unknown` if it named none."""
    opened = getattr(connection.transport, "connection", None)
    version = getattr(opened, "server_properties", {}).get("version", "unknown")
    return version.decode() if isinstance(version, bytes) else str(version)
