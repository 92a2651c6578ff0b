"""Request and reply: one queue for replies per process, any number of requests in flight.

FastStream's own `request()` holds one lock for the whole round trip; here a future per correlation id waits. The queue
is exclusive and ends with its connection; the broker drops a reply to a requester that is gone. Why not RabbitMQ's
direct reply-to: docs/decisions/0012-replies-over-the-requesters-queue.md.
"""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustChannel
from aio_pika.exceptions import AMQPError

from chassis.errors import PublishFailedError, TransientError, UnroutableError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.messaging.headers import SENT_AT_MS
from chassis.runtime.clock import SharedClock
from chassis.runtime.metrics import Metrics
from contracts.accounts import own_queue
from contracts.message import Message, parse
from contracts.topology import REPLIES

log = structlog.get_logger()

_SOON = 2.0
"""Seconds. A reply that took longer is not used to set the clock."""


class ReplyTimeoutError(TransientError):
    """The reply did not arrive in time. The broker has the request, which may still be carried out."""

    def __init__(self, kind: str, seconds: float) -> None:
        super().__init__(f"no reply to {kind} within {seconds:g} s; it may still be carried out")


class NoResponderError(TransientError):
    """No queue accepts the request: the topology was never declared, or a binding is missing."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"no queue takes {kind}: run `bellhop broker` as the operator")


class RequestClient:
    """Sends requests and matches replies by correlation id, which must be unique per request."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._metrics = metrics
        self._channel: AbstractRobustChannel | None = None
        self._replies: AbstractQueue | None = None
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._asked_at: dict[str, float] = {}
        self.clock = SharedClock("the service that answers")
        """The time of the answering service, as its replies give it."""

    async def start(self) -> None:
        """Open the channel for replies. Call after the bus has started."""
        self._channel = await self._bus.connection.channel(publisher_confirms=True, on_return_raises=True)
        name = own_queue(self._bus.service, f"replies.{uuid.uuid4().hex}")
        queue = await self._channel.declare_queue(name, exclusive=True, auto_delete=True)
        await queue.bind(REPLIES.name, name)
        self._replies = queue
        await self._bus.listen("replies", queue, self._on_reply)

    async def request(self, envelope: Envelope, *, timeout: float) -> Message:  # noqa: ASYNC109
        """Send and wait up to `timeout` seconds for the reply.

        Raises PublishFailedError when the broker did not take the request (nothing will happen), NoResponderError
        when no queue takes it, ReplyTimeoutError when the reply is late (it may still happen).
        """
        correlation_id = envelope.correlation_id
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = reply
        self._asked_at[correlation_id] = self.clock.steady()
        in_flight = self._metrics.requests_in_flight.labels(self._metrics.service)
        in_flight.inc()
        try:
            await self._publish(envelope, timeout)
            async with asyncio.timeout(timeout):
                return await reply
        except TimeoutError:
            raise ReplyTimeoutError(envelope.kind, timeout) from None
        finally:
            in_flight.dec()
            del self._waiting[correlation_id], self._asked_at[correlation_id]

    async def _publish(self, envelope: Envelope, timeout: float) -> None:  # noqa: ASYNC109
        if self._channel is None or self._replies is None:
            raise RuntimeError("the request client is not started")
        # A query expires with its requester's time-out: a later answer is of no use.
        expires_after = None if envelope.must_arrive else timeout
        try:
            async with asyncio.timeout(timeout):
                # After a reconnect the channel is open before its queue is back, under another name.
                await self._channel.ready()
                request = replace(envelope, reply_to=self._replies.name)
                await self._bus.publish(request, must_be_routed=True, expires_after=expires_after)
        except UnroutableError as error:
            raise NoResponderError(envelope.kind) from error
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            raise PublishFailedError(envelope.kind, envelope.exchange, error) from error

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting is None or waiting.done():
            self._metrics.late_replies.labels(self._metrics.service).inc()
            log.info("reply.late", kind=message.type, correlation_id=message.correlation_id)
            return
        self._set_clock(message)
        try:
            waiting.set_result(parse(message.type or "", message.body))
        except ValueError as error:
            waiting.set_exception(error)

    def _set_clock(self, message: AbstractIncomingMessage) -> None:
        asked_at, sent_at_ms = self._asked_at[message.correlation_id or ""], message.headers.get(SENT_AT_MS)
        if isinstance(sent_at_ms, int) and self.clock.steady() - asked_at < _SOON:
            self.clock.set(datetime.fromtimestamp(sent_at_ms / 1000, UTC), asked_at)
