"""Lets FastStream use queues and exchanges without declaring them, not even passively.

FastStream declares passively what it consumes and where it publishes. RabbitMQ 4.2.6 and newer refuse that without a
right on the object itself, which no service has for an exchange that it only publishes to. A missing object is noticed
anyway: the topology is verified first (topology.py), and consuming from it or publishing to it fails.
"""

from typing import Any, cast

import aiormq
from aio_pika import RobustChannel, RobustQueue
from aio_pika.abc import AbstractRobustExchange, TimeoutType
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.helpers import RabbitDeclarer
from faststream.rabbit.helpers.channel_manager import ChannelManager


def attach_only(broker: RabbitBroker) -> None:
    """Let a broker's subscribers and publishers declare nothing, not even passively. Call before it connects."""
    declarer = _Attached(broker.config.channel_manager)
    broker.config.broker_config.declarer = declarer
    broker.config.broker_config.producer.declarer = declarer  # type: ignore[attr-defined]


class _AttachedQueue(RobustQueue):
    """A queue whose consumers are restored after a reconnect, and which is never declared."""

    async def declare(self, timeout: TimeoutType = None) -> aiormq.spec.Queue.DeclareOk:  # noqa: ASYNC109
        return aiormq.spec.Queue.DeclareOk(self.name)

    async def _probe(self, channel: aiormq.abc.AbstractChannel) -> None:
        """aio-pika asks for a queue with its declaration before it brings a lost consumer back."""


class _Attached(RabbitDeclarer):
    def __init__(self, channels: ChannelManager) -> None:
        self._channels = channels
        self._queues: dict[tuple[str, RobustChannel], RobustQueue] = {}
        self._exchanges: dict[tuple[str, RobustChannel], AbstractRobustExchange] = {}

    def disconnect(self) -> None:
        self._queues.clear()
        self._exchanges.clear()

    async def declare_queue(
        self, queue: RabbitQueue, declare: Any = None, *, channel: Channel | None = None
    ) -> RobustQueue:
        """The queue, which aio-pika consumes again after a reconnect."""
        on = await self._channels.get_channel(channel)
        found = self._queues.get((queue.name, on))
        if found is None:
            found = self._queues[queue.name, on] = _AttachedQueue(on, queue.name, durable=True, passive=True)
            on._queues[queue.name].add(found)
        return found

    async def declare_exchange(  # type: ignore[override]
        self, exchange: RabbitExchange, declare: Any = None, *, channel: Channel | None = None
    ) -> AbstractRobustExchange:
        """The exchange, to publish to."""
        on = await self._channels.get_channel(channel)
        found = self._exchanges.get((exchange.name, on))
        if found is None:
            bare = await on.get_exchange(exchange.name, ensure=False)
            found = self._exchanges[exchange.name, on] = cast(AbstractRobustExchange, bare)
        return found
