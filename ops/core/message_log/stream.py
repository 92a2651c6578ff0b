"""Reads the log: the stream that holds every command and event, and every failure, for seven days."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity

from contracts.topology import LOG
from ops.core.messages import RecordedMessage

Offset = str | int | datetime
"""The starting point: `first`, `next` (only new messages), an offset, or a time."""

_AT_ONCE = 500
_EMPTY_AFTER = 2.0
"""Seconds without a first message after which the log is taken to be empty."""
_QUIET = 0.3
"""Seconds. The stream's last chunk arrives at once; after a pause this long it is complete."""


class NoLogError(Exception):
    """The broker has no log."""

    def __init__(self) -> None:
        super().__init__("The broker has no stream `log` yet: it is declared when a service first starts.")


class LogInterruptedError(ConnectionError):
    """The broker closed the channel that the log is read over."""

    def __init__(self) -> None:
        super().__init__("The connection to the broker was lost while the log was read.")


class LogStream:
    """Reads the log over one connection."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def up_to_now(self, begin: Offset = "first") -> AsyncGenerator[RecordedMessage, None]:
        """All messages from `begin` to the newest at the time of the call.

        With a time for `begin`, slightly older messages may come first: the broker finds the chunk, not the message.
        Raises NoLogError.
        """
        end = await self._newest()
        if end is None or (isinstance(begin, int) and begin > end):
            return
        async with aclosing(self.follow(begin)) as messages:
            async for seen in messages:
                if seen.offset is None or seen.offset > end:
                    return
                yield seen
                if seen.offset == end:
                    return

    async def follow(self, begin: Offset = "next") -> AsyncGenerator[RecordedMessage, None]:
        """All messages from `begin` on, including new ones, without end. Raises NoLogError."""
        async with self._consumed(begin) as found:
            while True:
                yield await found.next()

    async def _newest(self) -> int | None:
        """The offset of the newest message, or None."""
        newest, patience = None, _EMPTY_AFTER
        async with self._consumed("last") as found:
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(patience):
                        newest = (await found.next()).offset
                    patience = _QUIET
        return newest

    @asynccontextmanager
    async def _consumed(self, begin: Offset) -> AsyncIterator["_Found"]:
        channel = await self._connection.channel()
        found = _Found(channel)

        async def keep(message: AbstractIncomingMessage) -> None:
            await found.put(RecordedMessage.of(message))
            with suppress(AMQPError, ChannelInvalidStateError):  # who reads has enough, and has closed the channel
                await message.ack()

        try:
            await channel.set_qos(prefetch_count=_AT_ONCE)
            stream = await channel.declare_queue(LOG, passive=True)
            arguments: dict[str, Any] = {"x-stream-offset": begin}
            await stream.consume(keep, arguments=arguments)
            yield found
        except ChannelNotFoundEntity:
            raise NoLogError from None
        finally:
            with suppress(Exception):
                await channel.close()


class _Found:
    """Messages as they arrive, until the channel ends. Bounded: a slow reader throttles the broker."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._messages: asyncio.Queue[RecordedMessage] = asyncio.Queue(_AT_ONCE)
        self._is_closed = False
        self._changed = asyncio.Event()
        channel.close_callbacks.add(self._close)

    async def put(self, seen: RecordedMessage) -> None:
        await self._messages.put(seen)
        self._changed.set()

    async def next(self) -> RecordedMessage:
        """Raises LogInterruptedError."""
        while self._messages.empty():
            if self._is_closed:
                raise LogInterruptedError
            self._changed.clear()
            await self._changed.wait()
        return self._messages.get_nowait()

    def _close(self, *_: object) -> None:
        self._is_closed = True
        self._changed.set()
