"""Reads the log: the stream that holds every command and event, and every failure, for seven days."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, ChannelNotFoundEntity

from chassis.messaging.envelope import utc_now
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
        newest = await self.newest()
        if newest is None or (isinstance(begin, int) and begin > newest):
            return
        async with aclosing(self.between(begin, newest + 1)) as messages:
            async for seen in messages:
                yield seen

    async def between(self, begin: Offset, end: int) -> AsyncGenerator[RecordedMessage, None]:
        """The messages from `begin` to the one before the offset `end`, which the log must have. Raises NoLogError."""
        if isinstance(begin, int) and begin >= end:
            return
        async with aclosing(self.follow(begin)) as messages:
            async for seen in messages:
                if seen.offset is None or seen.offset >= end:
                    return
                yield seen
                if seen.offset == end - 1:
                    return

    async def offset_of(self, begin: Offset, end: int) -> int:
        """The offset at which reading from `begin` starts; at most `end`, which follows the newest message."""
        if isinstance(begin, int):
            return min(begin, end)
        if isinstance(begin, datetime) and begin >= utc_now():
            return end
        with suppress(TimeoutError):
            async with asyncio.timeout(_EMPTY_AFTER), self._consumed(begin, at_once=1) as found:
                offset = (await found.next()).offset
                return end if offset is None else min(offset, end)
        return end  # nothing was sent since

    async def follow(self, begin: Offset = "next") -> AsyncGenerator[RecordedMessage, None]:
        """All messages from `begin` on, including new ones, without end. Raises NoLogError."""
        async with self._consumed(begin) as found:
            while True:
                yield await found.next()

    async def newest(self) -> int | None:
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
    async def _consumed(self, begin: Offset, at_once: int = _AT_ONCE) -> AsyncIterator["_Found"]:
        channel = await self._connection.channel()
        found = _Found(channel, at_once)
        try:
            await channel.set_qos(prefetch_count=at_once)
            stream = await channel.declare_queue(LOG, passive=True)
            arguments: dict[str, Any] = {"x-stream-offset": begin}
            await stream.consume(found.put, arguments=arguments)
            yield found
        except ChannelNotFoundEntity:
            raise NoLogError from None
        finally:
            with suppress(Exception):
                await channel.close()


class _Found:
    """Messages as they arrive, until the channel ends. The broker sends at most `at_once` that were not read.

    The reader acknowledges what it has read, many at once: an acknowledgement sent beside it could follow the closing
    of the channel, for which the broker closes the whole connection.
    """

    def __init__(self, channel: AbstractChannel, at_once: int) -> None:
        self._messages: deque[AbstractIncomingMessage] = deque()
        self._acknowledge_at = max(1, at_once // 2)
        self._read = 0
        self._is_closed = False
        self._changed = asyncio.Event()
        channel.close_callbacks.add(self._close)

    async def put(self, message: AbstractIncomingMessage) -> None:
        self._messages.append(message)
        self._changed.set()

    async def next(self) -> RecordedMessage:
        """Raises LogInterruptedError."""
        while not self._messages:
            if self._is_closed:
                raise LogInterruptedError
            self._changed.clear()
            await self._changed.wait()
        message = self._messages.popleft()
        self._read += 1
        if self._read % self._acknowledge_at == 0 and not self._is_closed:
            with suppress(AMQPError, ChannelInvalidStateError):  # then the channel ends, and with it what can be read
                await message.ack(multiple=True)
        return RecordedMessage.of(message)

    def _close(self, *_: object) -> None:
        self._is_closed = True
        self._changed.set()
