"""The bus on a simulated connection: everything of chassis/messaging/bus.py but FastStream and aio-pika below it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from aio_pika.abc import AbstractQueue, AbstractRobustConnection
from aio_pika.exceptions import AMQPConnectionError

from chassis.messaging.bus import Bus, RawHandler
from chassis.messaging.message_log import Copy
from chassis.messaging.poison import ONE_AT_A_TIME, Caution
from chassis.messaging.topology import verify_topology
from contracts.topology import COPIES, Queue, copy_key
from tests.simulation.broker.client import Channel, Connection, Exchange, whole_seconds
from tests.simulation.broker.messages import Wire
from tests.simulation.broker.server import Broker
from tests.simulation.network import Line

BROKER: ContextVar[Broker] = ContextVar("the simulated broker")
"""What the processes of a simulation connect to."""


class SimulatedBus(Bus):
    """One process's connection to the simulated broker."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._at = BROKER.get()
        self._publisher = Publisher(self)
        self.broker = cast(Any, self._publisher)
        self.message_log = cast(Any, SimulatedLog(self._at, self.login, self.service))
        self._wanted: dict[str, tuple[RawHandler, int]] = {}
        self._channels: list[Channel] = []

    def subscribe(self, queue: Queue | str, handler: RawHandler, *, prefetch: int) -> None:
        self._wanted[queue if isinstance(queue, str) else queue.name] = (handler, prefetch)

    async def start(self) -> None:
        connection = await self._publisher.connect()
        self._connection = cast(AbstractRobustConnection, connection)
        await verify_topology(self._connection)
        self._publisher.channel = await connection.channel()
        for name, (handler, prefetch) in self._wanted.items():
            await self._consume(connection, name, handler, prefetch)

    async def _consume(self, connection: Connection, name: str, handler: RawHandler, prefetch: int) -> None:
        caution = Caution(name, prefetch, self.consuming)

        async def callback(message: Any) -> None:
            caution.meet(message.headers)
            await handler(message)

        channel = await connection.channel()
        await channel.set_qos(ONE_AT_A_TIME)
        queue = await channel.get_queue(name)

        async def consume() -> str:
            return await queue.consume(callback)

        self.consuming.add(name, cast(AbstractQueue, queue), await consume(), consume, ONE_AT_A_TIME)

    async def stop(self) -> None:
        await self.consuming.pause()
        await self._replies.finish()
        await self._publisher.close()
        self._connection = None


@dataclass(slots=True)
class Publisher:
    """What the bus publishes through: FastStream's part."""

    bus: SimulatedBus
    connection: Connection | None = None
    channel: Channel | None = None

    async def connect(self) -> Connection:
        """Open the connection, unless this is done. Raises AMQPConnectionError while the broker is down."""
        if self.connection is None:
            self.connection = await Connection.open(self.bus._at)
        return self.connection

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.close()
        self.connection = None

    async def publish(self, body: bytes, *, exchange: Any, routing_key: str, mandatory: bool, **named: Any) -> None:
        if self.channel is None:
            raise AMQPConnectionError("not connected")
        wire = Wire(
            body=body,
            exchange=exchange.name,
            routing_key=routing_key,
            type=named["message_type"],
            message_id=named["message_id"],
            correlation_id=named["correlation_id"],
            reply_to=named["reply_to"],
            user_id=named["user_id"],
            app_id=self.bus.service,
            content_type=named["content_type"],
            timestamp=whole_seconds(named["timestamp"]),
            headers=dict(named["headers"]),
        )
        await Exchange(self.channel, wire.exchange).publish_wire(wire, mandatory=mandatory)

    async def ping(self, timeout: float) -> bool:  # noqa: ASYNC109
        return self.bus._has_connection()

    @property
    def config(self) -> "Publisher":
        return self

    @property
    def channel_manager(self) -> "Publisher":
        return self

    async def get_channel(self) -> Channel | None:
        return self.channel


class SimulatedLog:
    """The way into the message log, which has a connection of its own."""

    def __init__(self, broker: Broker, login: str, service: str) -> None:
        self._broker = broker
        self._login = login
        self._service = service
        self._line = Line(broker.loop, broker.random, broker.latency)

    def copy(self, copy: Copy) -> None:
        wire = Wire(
            copy.body,
            COPIES.name,
            copy_key(copy.source, copy.kind),
            type=copy.kind,
            message_id=copy.message_id,
            correlation_id=copy.correlation_id,
            user_id=self._login,
            app_id=self._service,
            timestamp=_at(copy.timestamp),
            headers=dict(copy.headers),
        )
        self._line.send(self._broker.enqueue, wire)

    def start(self) -> None:
        """The line is there from the start."""

    async def stop(self) -> None:
        """Nothing waits."""

    @property
    def check(self) -> Callable[[], Awaitable[str | None]]:
        async def log() -> str | None:
            return None

        return log


def _at(timestamp: datetime) -> datetime | None:
    return whole_seconds(timestamp)
