"""Sends replies over a separate channel, best effort, so that a requester that is gone disturbs no other message.

A requester asks again if its reply does not arrive, so replies are not confirmed, and one that fails is dropped. The
address comes from the requester: see `contracts.accounts.may_receive_replies`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog
from aio_pika import DeliveryMode
from aio_pika import Message as AmqpMessage
from aio_pika.abc import AbstractRobustChannel
from aio_pika.exceptions import AMQPError

from chassis.messaging.amqp import shielded
from chassis.messaging.envelope import Envelope
from chassis.runtime import background
from chassis.runtime.metrics import Metrics

log = structlog.get_logger()

MAX_UNDER_WAY = 1000
"""Replies in flight at once. Beyond this they are dropped: the broker accepts none."""

SECONDS = 5.0
"""Seconds one reply is tried."""

_AT_STOP = 1.0


class Replies:
    """Sends the replies of one process."""

    def __init__(
        self,
        open_channel: Callable[[], Awaitable[AbstractRobustChannel]],
        login: str,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        """`open_channel` opens a channel without publisher confirms; `login` is the account it belongs to."""
        self._login = login
        self._clock = clock
        self._open_channel = open_channel
        self._dropped = metrics.replies_dropped.labels(metrics.service)
        self._channel: AbstractRobustChannel | None = None
        self._opening = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, envelope: Envelope) -> None:
        """Start sending a reply. Returns at once and never fails."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            self._drop(envelope, "too many replies are being sent")
            return
        task = background.start(self._send(envelope), "reply")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait briefly for replies in flight."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_AT_STOP)

    async def _send(self, envelope: Envelope) -> None:
        now = self._clock()
        try:
            message = AmqpMessage(
                envelope.message.to_wire(),
                content_type="application/json",
                delivery_mode=DeliveryMode.NOT_PERSISTENT,
                message_id=envelope.message_id,
                correlation_id=envelope.correlation_id,
                type=envelope.kind,
                timestamp=now,
                user_id=self._login,
                headers=envelope.headers(now),
            )
            async with asyncio.timeout(SECONDS):
                channel = await self._ready_channel()
                exchange = await channel.get_exchange(envelope.exchange, ensure=False)
                await shielded(exchange.publish(message, envelope.routing_key, mandatory=False))
        except (AMQPError, OSError, TimeoutError, RuntimeError, ValueError) as error:
            self._drop(envelope, repr(error))

    async def _ready_channel(self) -> AbstractRobustChannel:
        async with self._opening:
            if self._channel is None:
                self._channel = await self._open_channel()
                self._channel.close_callbacks.add(self._on_close)
        await self._channel.ready()
        return self._channel

    def _on_close(self, _channel: Any, error: BaseException | None) -> None:
        # Without confirms, this is how the broker refuses a reply.
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self._dropped.inc()
            log.info("replies.channel_closed", error=repr(error))

    def _drop(self, envelope: Envelope, reason: str) -> None:
        self._dropped.inc()
        log.info("reply.dropped", kind=envelope.kind, correlation_id=envelope.correlation_id, reason=reason)
