"""The consumers of this process: started, paused, resumed, and restored when they are lost.

A connected client may have lost its consumers, and the broker's count of a queue's consumers does not tell whose they
are. The channel knows: a consumer the broker has confirmed and not cancelled is in its table.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, cast

import aiormq
import structlog
from aio_pika import RobustChannel
from aio_pika.abc import AbstractQueue
from aio_pika.exceptions import AMQPError

from chassis.messaging.amqp import shielded

log = structlog.get_logger()

TIMEOUT = 5.0
# aio-pika restores lost consumers itself. Only a consumer that is still lost after so many checks is started again.
_CHECKS_BEFORE_RESTORE = 5
_ALL = "all"


@dataclass(slots=True)
class QueueConsumer:
    """One queue's consumer in this process. `tag` names it on its channel; None while it is not started."""

    name: str
    queue: AbstractQueue
    consume: Callable[[], Awaitable[str]]
    tag: str | None = None
    missed: int = 0
    prefetch: int = 0
    """Messages it may hold at once; 0: any number."""

    async def is_live(self) -> bool:
        """Whether the broker delivers to it, as far as this client knows."""
        if self.tag is None or self.queue.channel.is_closed:
            return False
        channel = cast(aiormq.Channel, await self.queue.channel.get_underlay_channel())
        return not channel.is_closed and self.tag in channel.consumers

    def begin_again(self, prefetch: int) -> None:
        """Set the prefetch count that a closed channel restores its consumers with."""
        self.prefetch = cast(RobustChannel, self.queue.channel)._prefetch_count = prefetch

    async def start(self) -> None:
        self.tag = await self.consume()
        self.missed = 0

    async def limit(self, prefetch: int) -> None:
        """Hold at most so many messages. RabbitMQ applies a limit to the consumers that start after it."""
        await self.queue.channel.set_qos(prefetch_count=prefetch)
        self.prefetch = prefetch
        before = self.tag
        if before is not None:
            await self.start()
            await self.queue.cancel(before)

    async def cancel(self) -> None:
        tag, self.tag = self.tag, None
        if tag is not None and not self.queue.channel.is_closed:
            await self.queue.cancel(tag)


class Pausable(Protocol):
    """Consumers that are paused and resumed together."""

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


class Consumers:
    """All consumers of a process."""

    def __init__(self, is_connected: Callable[[], bool]) -> None:
        self._is_connected = is_connected
        self._all: list[QueueConsumer] = []
        self._pauses: dict[str, Collection[str]] = {}
        """The queues that are paused, by who asked for it; none named means all."""
        self._changing = asyncio.Lock()

    def add(
        self, name: str, queue: AbstractQueue, tag: str | None, consume: Callable[[], Awaitable[str]], prefetch: int = 0
    ) -> None:
        """Keep a queue consumed. `tag` is its consumer, `consume` starts another one.

        With a `prefetch`, each new channel begins with it again, whatever `limit` has set.
        """
        consumer = QueueConsumer(name, queue, consume, tag, prefetch=prefetch)
        self._all.append(consumer)
        if prefetch:
            queue.channel.close_callbacks.add(lambda *_: consumer.begin_again(prefetch))

    def prefetch_of(self, name: str) -> int | None:
        """How many messages a queue's consumer may hold; None when there is none."""
        return next((consumer.prefetch for consumer in self._all if consumer.name == name), None)

    async def limit(self, name: str, prefetch: int) -> None:
        """Limit how many messages a queue's consumer holds at once, from now on."""
        async with self._changing:
            for consumer in self._all:
                if consumer.name == name and consumer.prefetch != prefetch:
                    await self._try(lambda c=consumer: c.limit(prefetch), name)  # type: ignore[misc]

    def only(self, *names: str) -> Pausable:
        """The consumers of these queues, to be paused apart from the others."""
        return _Some(self, names)

    async def pause(self) -> None:
        """Stop deliveries. Messages already delivered must still be settled."""
        await self._pause(_ALL, ())

    async def resume(self) -> None:
        await self._resume(_ALL)

    async def _pause(self, by: str, names: Collection[str]) -> None:
        async with self._changing:
            self._pauses[by] = names
            paused = [consumer for consumer in self._all if self._is_paused(consumer)]
            await asyncio.gather(*(self._try(consumer.cancel, consumer.name) for consumer in paused))

    async def _resume(self, by: str) -> None:
        async with self._changing:
            self._pauses.pop(by, None)
            for consumer in self._all:
                if consumer.tag is None and not self._is_paused(consumer):
                    await self._try(consumer.start, consumer.name)

    def _is_paused(self, consumer: QueueConsumer) -> bool:
        return any(not names or consumer.name in names for names in self._pauses.values())

    async def restore(self) -> None:
        """Restart lost consumers; while paused, cancel those that `pause` failed to cancel."""
        if not self._is_connected():
            return  # with the connection, aio-pika brings back channels and consumers
        async with self._changing:
            for consumer in self._all:
                await self._try(lambda c=consumer: self._restore(c), consumer.name)  # type: ignore[misc]

    async def _restore(self, consumer: QueueConsumer) -> None:
        if self._is_paused(consumer):
            await consumer.cancel()
            return
        if await consumer.is_live():
            consumer.missed = 0
            return
        consumer.missed += 1
        if consumer.missed < _CHECKS_BEFORE_RESTORE:
            return
        if consumer.queue.channel.is_closed:
            await consumer.queue.channel.reopen()  # brings its consumers back with it
        else:
            await consumer.cancel()
            await consumer.start()
        log.warning("consumer.restored", queue=consumer.name)

    async def lost(self) -> list[str]:
        """Queues that this process should consume but does not. What is paused is so on purpose: a breaker says why."""
        return [
            consumer.name for consumer in self._all if not self._is_paused(consumer) and not await consumer.is_live()
        ]

    async def _try(self, change: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                await shielded(change())
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            # Without a connection there is no consumer either; the next check finds what remains to be done.
            log.info("consumer.change_failed", queue=name, error=repr(error))


@dataclass(frozen=True, slots=True)
class _Some:
    """Some of the consumers of a process."""

    consumers: Consumers
    names: tuple[str, ...]

    async def pause(self) -> None:
        await self.consumers._pause(",".join(self.names), self.names)

    async def resume(self) -> None:
        await self.consumers._resume(",".join(self.names))
