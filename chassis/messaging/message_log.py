"""Copies commands, events and failures to the message log: best effort, without delaying the messages themselves.

A message is copied after the broker has confirmed it. Copies wait in memory, up to a limit, and are written over a
separate connection: a stream that hangs makes RabbitMQ throttle the whole connection that writes to it. Copies that
could not be written are counted, and a LogGap reports them in the log as soon as it accepts messages again.
docs/decisions/0016-the-log-is-fed-by-copies.md says why and what it costs.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiormq
import structlog
from aio_pika.exceptions import AMQPError, DeliveryError

from chassis.messaging.amqp import connection_for_tools, shielded
from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.envelope import utc_now
from chassis.runtime import background
from chassis.runtime.metrics import Metrics
from contracts.log import LogClosed, LogGap, LogOpened
from contracts.message import Message
from contracts.topology import COPIES, copy_key

log = structlog.get_logger()

INSTANCE = "log_instance"
"""Header with the name of the process that wrote a copy."""

_AT_ONCE = 256
_CAPACITY = 10_000
_CAPACITY_BYTES = 32_000_000
_CONFIRM_WITHIN = 10.0
_TRY_AGAIN_AFTER = 1.0
_CLOSE_WITHIN = 2.0
_PERSISTENT = 2
# AMQP's limit is 255 bytes, and a failed message may have any kind.
_LONGEST_KEY = 63
_UNWRITTEN = (AMQPError, OSError, TimeoutError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of one message. `source` is the exchange it was sent to, or FAILURES."""

    source: str
    kind: str
    body: bytes
    message_id: str
    correlation_id: str
    headers: Mapping[str, Any]
    timestamp: datetime


class MessageLog:
    """Writes one process's copies to the message log."""

    def __init__(self, url: str, service: str, metrics: Metrics) -> None:
        self._url = url
        self._login = BrokerAddress(url).login
        self._service = service
        self._instance = uuid.uuid4().hex[:8]
        self._metrics = metrics
        self._waiting: deque[Copy] = deque()
        self._waiting_bytes = 0
        self._in_flight = 0
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gap: tuple[int, datetime, datetime] | None = None
        self._problem: str | None = None
        self._opened = False
        self._channel: aiormq.abc.AbstractChannel | None = None
        self._writing: asyncio.Task[None] | None = None
        metrics.log_copies_waiting.labels(service).set_function(lambda: len(self._waiting) + self._in_flight)
        for outcome in ("written", "missed"):
            metrics.log_copies.labels(service, outcome)

    def copy(self, copy: Copy) -> None:
        """Queue a copy for the log. Never blocks, never fails."""
        if len(self._waiting) >= _CAPACITY or self._waiting_bytes + len(copy.body) > _CAPACITY_BYTES:
            self._miss(1)
            return
        self._waiting.append(copy)
        self._waiting_bytes += len(copy.body)
        self._wanted.set()
        self._idle.clear()

    async def check(self) -> str | None:
        """Readiness notice: set while the log is not written, with the number of missing messages."""
        if self._problem is None:
            return None
        missing = f"; {self._gap[0]} messages are missing from it" if self._gap else ""
        return f"the message log is not written ({self._problem}){missing}. Orders go on without it."

    def start(self) -> None:
        self._writing = background.start(self._write_always(), "message log")

    async def stop(self) -> None:
        """Write waiting copies, for two seconds at most, then close."""
        if self._writing is None:
            return
        with suppress(*_UNWRITTEN):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._idle.wait()
                if self._channel is not None and self._gap is None:
                    closed = LogClosed(service=self._service, instance=self._instance, at=utc_now())
                    await self._say(self._channel, closed)
        await background.stop(self._writing)
        self._writing = None

    async def _write_always(self) -> None:
        while True:
            try:
                await self._write()
            except asyncio.CancelledError:
                if background.is_being_cancelled():
                    raise
                self._failed(ConnectionError("the client library gave the connection up"))
            except _UNWRITTEN as error:
                self._failed(error)
            except Exception as error:
                log.exception("message_log.failed")
                self._failed(error)
            await asyncio.sleep(_TRY_AGAIN_AFTER)

    def _failed(self, error: Exception) -> None:
        if self._problem is None:
            log.warning("message_log.unwritten", error=repr(error))
        self._problem = repr(error)

    async def _write(self) -> None:
        """Write over one connection until it fails."""
        name = f"{self._service}: message log"
        connection = await connection_for_tools(self._url, name, timeout=_CONFIRM_WITHIN)
        try:
            async with asyncio.timeout(_CONFIRM_WITHIN):
                opened = await connection.channel(publisher_confirms=True, on_return_raises=True)
                channel = await opened.get_underlay_channel()
                await self._say_what_is_due(channel)
            self._channel = channel
            channel.closing.add_done_callback(lambda _: self._wanted.set())
            while True:
                await self._wanted.wait()
                if channel.is_closed:
                    raise ConnectionError("the broker closed the connection")
                await self._write_batch(channel)
                if self._gap is not None:
                    async with asyncio.timeout(_CONFIRM_WITHIN):
                        await self._say_what_is_due(channel)
        finally:
            self._channel = None
            with suppress(*_UNWRITTEN):
                async with asyncio.timeout(_CLOSE_WITHIN):
                    await shielded(connection.close())

    async def _say_what_is_due(self, channel: aiormq.abc.AbstractChannel) -> None:
        """Publish the LogGap first on every connection: it tests the log before copies are risked."""
        if not self._opened:
            await self._say(channel, LogOpened(service=self._service, instance=self._instance, at=utc_now()))
            self._opened = True
        while self._gap is not None:
            said = self._gap
            count, since, until = said
            gap = LogGap(service=self._service, instance=self._instance, count=count, since=since, until=until)
            await self._say(channel, gap)
            log.warning("message_log.gap", count=count, since=since.isoformat(), until=until.isoformat())
            self._gap = (self._gap[0] - count, until, self._gap[2]) if self._gap[0] > count else None
        if not self._waiting:
            self._problem = None

    async def _say(self, channel: aiormq.abc.AbstractChannel, marker: Message) -> None:
        message_id = f"{self._service}.{uuid.uuid4().hex}"
        await self._publish(channel, Copy("log", marker.kind, marker.to_wire(), message_id, message_id, {}, utc_now()))

    async def _write_batch(self, channel: aiormq.abc.AbstractChannel) -> None:
        batch = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        self._waiting_bytes -= sum(len(copy.body) for copy in batch)
        self._in_flight = len(batch)
        written = kept = (
            0  # what is not confirmed in time counts as missed: it may be in the log, and is not written twice
        )
        try:
            async with asyncio.timeout(_CONFIRM_WITHIN):
                results = await asyncio.gather(
                    *(self._publish(channel, copy) for copy in batch), return_exceptions=True
                )
            written = results.count(None)
            if not written and all(isinstance(result, DeliveryError) for result in results):
                # The log accepts nothing at present. If it accepts some, the refused ones are at fault and not retried.
                kept = self._keep(batch)
        finally:
            self._in_flight = 0
            self._metrics.log_copies.labels(self._service, "written").inc(written)
            if missed := len(batch) - written - kept:
                self._miss(missed)
            if not self._waiting:
                self._wanted.clear()
                self._idle.set()
        for failure in results:
            if failure is not None:
                raise failure
        self._problem = None

    def _keep(self, batch: list[Copy]) -> int:
        """Put copies back in front of those that wait. Returns how many."""
        self._waiting.extendleft(reversed(batch))
        self._waiting_bytes += sum(len(copy.body) for copy in batch)
        return len(batch)

    def _miss(self, count: int) -> None:
        now = utc_now()
        before, since = (self._gap[0], self._gap[1]) if self._gap else (0, now)
        self._gap = (before + count, since, now)
        self._metrics.log_copies.labels(self._service, "missed").inc(count)

    async def _publish(self, channel: aiormq.abc.AbstractChannel, copy: Copy) -> None:
        # Mandatory: where the stream is missing, a copy comes back instead of vanishing.
        publishing = channel.basic_publish(
            copy.body,
            exchange=COPIES.name,
            routing_key=copy_key(copy.source, copy.kind)[:_LONGEST_KEY],
            properties=aiormq.spec.Basic.Properties(
                content_type="application/json",
                delivery_mode=_PERSISTENT,
                message_id=copy.message_id,
                correlation_id=copy.correlation_id,
                message_type=copy.kind,
                timestamp=copy.timestamp,
                app_id=self._service,
                user_id=self._login,
                headers={**copy.headers, INSTANCE: self._instance},
            ),
            mandatory=True,
        )
        await shielded(publishing)
