"""The one place where a message is parsed, dispatched, and settled (acknowledged, retried or dead-lettered).

A message is acknowledged only after its effect is stored and its consequences are confirmed, or after its retry or
dead letter is confirmed. If the broker goes down in between, nothing is acknowledged and it delivers the message again.
While a dependency is down (see breaker.py) messages are requeued through the shortest retry tier, with no attempt
counted. They are not nacked: before RabbitMQ 4.3 each nack counts towards the delivery limit, and an outage that came
often enough would dead-letter messages with which nothing is wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Any

import structlog
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from faststream.rabbit.message import RabbitMessage

from chassis.decision import Done, Outcome, reason_of
from chassis.errors import (
    NoHandlerError,
    PermanentError,
    PublishFailedError,
    TransientError,
    UndecodableMessageError,
    is_for_newer,
    is_transient,
)
from chassis.messaging import spans
from chassis.messaging.amqp_decoding import UndecodedHeaders
from chassis.messaging.breaker import BreaksCircuit
from chassis.messaging.bus import Bus
from chassis.messaging.dead_letter import failure_headers, origin_headers
from chassis.messaging.deliveries import delivery_of, headers_of
from chassis.messaging.envelope import Delivery, utc_now
from chassis.messaging.headers import (
    ATTEMPT,
    ATTEMPT_TRACEPARENT,
    SENT_AT_MS,
    SENT_BY,
    known_headers,
    undecoded,
)
from chassis.messaging.message_log import Copy
from chassis.messaging.provenance import Arrival, Door
from chassis.runtime import tracing
from chassis.runtime.metrics import Metrics
from contracts.accounts import may_receive_replies
from contracts.message import Message, Query, UnknownKindError, known_version, parse
from contracts.topology import DEAD, FAILURES, RETRY_LADDER, Queue, queue_named

log = structlog.get_logger()

RETRIED, PARKED = "retried", "parked"
"""Outcomes of a failed message, also written to the header `ended` of its copy in the message log."""

UNKNOWN_KIND = "unknown"
"""The metrics' label for messages whose kind is in no contract."""

_REQUEUED, _NACKED = "requeued", "nacked"
"""Back in its own queue: by way of a retry tier, or by the broker because the message could not be published."""

_PUBLISH_AGAIN_AFTER = 1.0
# Well below the half hour after which RabbitMQ closes the channel of a consumer that has not settled a message.
_HELD_AT_MOST = 600.0

Handler = Callable[[Any, Delivery], Awaitable[Outcome[Any]]]
"""Handles a parsed message with its delivery, and returns the outcome."""

Handlers = Mapping[type[Message], Handler]


class Consumer:
    """Consumes one queue on behalf of one service."""

    def __init__(
        self,
        bus: Bus,
        queue: Queue | str,
        handlers: Handlers,
        metrics: Metrics,
        version: str,
        breaker: BreaksCircuit | None = None,
    ) -> None:
        self._bus = bus
        declared = queue_named(queue) if isinstance(queue, str) else queue
        self._queue = declared.name
        self._door = Door(declared.name, declared.bindings, bus.trust)
        self._dead_queue = declared.dead_queue
        self._handlers = handlers
        self._metrics = metrics
        self._age = metrics.message_age.labels(metrics.service, declared.name)
        self._version = version
        metrics.expect((*(kind.wire_kind() for kind in handlers), UNKNOWN_KIND), (RETRIED, PARKED))
        self._breaker = breaker

    async def __call__(self, message: RabbitMessage) -> None:
        started, began = perf_counter(), tracing.now_ns()
        arrival = Arrival.of(message.raw_message)
        delivery = self._with_checked_reply_address(delivery_of(message, arrival), message)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            kind=delivery.kind,
            message_id=delivery.message_id,
            correlation_id=delivery.correlation_id,
            causation_id=delivery.causation_id,
        )
        body: Message | Exception
        try:
            body = self._admitted(message, arrival)
        except Exception as error:
            body = error
        else:
            self._observe_age(message, arrival)
        # A made-up kind would be a new series each time.
        kind = delivery.kind if known_version(delivery.kind) == delivery.kind else UNKNOWN_KIND
        order_id = getattr(body, "order_id", None)
        if order_id:
            structlog.contextvars.bind_contextvars(order_id=order_id)
        with spans.of_handling(self._queue, arrival, delivery, kind, order_id, began) as span:
            if span.traceparent != delivery.traceparent:
                delivery = replace(delivery, traceparent=span.traceparent)
            if trace_id := tracing.trace_id_of(delivery.traceparent):
                structlog.contextvars.bind_contextvars(trace_id=trace_id)
            ended = await self._handled_or_failed(message, delivery, body, started)
            span.set("bellhop.outcome", ended)
            await self._settle(message, ended)
        self._metrics.handled.labels(self._metrics.service, kind, ended).inc()
        self._metrics.handling_seconds.labels(self._metrics.service).observe(perf_counter() - started)

    def _admitted(self, message: RabbitMessage, arrival: Arrival) -> Message:
        """The parsed message. Raises what says why it cannot be accepted."""
        if isinstance(message.headers, UndecodedHeaders):
            raise UndecodableMessageError(message.headers.reasons)
        if known_version(arrival.kind) is None:
            raise UnknownKindError(arrival.kind)
        self._door.admit(arrival)
        return parse(arrival.kind, message.body)

    def _observe_age(self, message: RabbitMessage, arrival: Arrival) -> None:
        """Observe how long a message has waited in its queue. One that was delivered before, or comes back from a retry
        tier or a replay, carries the time of its first publication and says nothing about the queue.
        """
        sent_at_ms = arrival.headers.get(SENT_AT_MS)
        if arrival.is_first and not message.raw_message.redelivered and isinstance(sent_at_ms, int):
            # The sender's clock may be ahead of this one.
            self._age.observe(max(0.0, self._bus.clock().timestamp() - sent_at_ms / 1000))

    async def _handled_or_failed(
        self, message: RabbitMessage, delivery: Delivery, body: Message | Exception, started: float
    ) -> str:
        """Handle an admitted message, or fail it; the name of how it ended."""
        try:
            if isinstance(body, Exception):
                raise body
            outcome = await self._handler_of(body)(body, delivery)
        except Exception as error:
            tracing.fail_current(type(error).__name__)
            return await self._failed(message, delivery, error)
        await self._tell_breaker(outcome)
        level = log.debug if isinstance(body, Query) else log.info
        level("message.handled", outcome=outcome.name, reason=reason_of(outcome), ms=_milliseconds_since(started))
        return outcome.name

    async def _tell_breaker(self, outcome: Outcome[Any]) -> None:
        if self._breaker is None:
            return
        if isinstance(outcome, Done) and outcome.despite is not None:
            await self._breaker.trips_on(outcome.despite)
        else:
            self._breaker.succeeded()

    def _with_checked_reply_address(self, delivery: Delivery, message: RabbitMessage) -> Delivery:
        """The delivery without a reply address that may not be used. The request is handled all the same."""
        address, sender = delivery.reply_to, message.raw_message.user_id
        is_own_retry = sender == self._metrics.service  # its address was checked when it first came
        if address is None or may_receive_replies(address, None if is_own_retry else sender):
            return delivery
        self._metrics.replies_dropped.labels(self._metrics.service).inc()
        log.info("reply.address_refused", kind=delivery.kind, address=address[:100], sender=sender)
        return replace(delivery, reply_to=None)

    async def _settle(self, message: RabbitMessage, ended: str) -> None:
        """Acknowledge the message, or nack it for redelivery."""
        try:
            if ended == _NACKED:
                await message.nack(requeue=True)
            else:
                await message.ack()
        except (AMQPError, OSError, RuntimeError) as error:
            # Its channel is gone, and with it this delivery: the broker delivers the message again, as a duplicate.
            log.warning("message.ack_failed", outcome=ended, error=repr(error))

    def _handler_of(self, body: Message) -> Handler:
        handler = self._handlers.get(type(body))
        if handler is None:
            raise NoHandlerError(body.kind, self._queue)
        return handler

    async def _failed(self, message: RabbitMessage, delivery: Delivery, error: Exception) -> str:
        is_outage = self._breaker is not None and await self._breaker.trips_on(error)
        # A failed query is not copied to the log: its requester asks again.
        if self._dead_queue is None and is_outage:
            log.warning("message.nacked", error=repr(error))
            return _NACKED
        if self._dead_queue is None:
            log.warning("message.dropped", error=repr(error))
            return "dropped"
        is_left = is_for_newer(error)
        if is_left:
            self._bus.newer_versions.leave(str(error))
        put_elsewhere = self._requeue if is_outage or is_left else self._retried_or_parked
        return await self._held_until(lambda: put_elsewhere(message, delivery, error), message)

    async def _held_until(self, put_elsewhere: Callable[[], Awaitable[str]], message: RabbitMessage) -> str:
        """Hold a message until the broker accepts it for another queue. Holding it costs no delivery."""
        began = perf_counter()
        while True:
            try:
                return await put_elsewhere()
            except PublishFailedError as unpublished:
                held = perf_counter() - began
                if held > _HELD_AT_MOST or not _has_channel(message):
                    log.error("message.nacked", held_s=round(held, 1), error=str(unpublished))
                    return _NACKED
                log.warning("message.held", held_s=round(held, 1), error=str(unpublished))
                await asyncio.sleep(_PUBLISH_AGAIN_AFTER)

    async def _requeue(self, message: RabbitMessage, delivery: Delivery, error: Exception) -> str:
        """Publish the message to its own queue through the shortest retry tier, with its attempt unchanged."""
        headers = self._known_headers(message)
        await self._publish_again(message, delivery, RETRY_LADDER[0].name, self._queue, headers)
        log.warning("message.requeued", error=str(error))
        return _REQUEUED

    async def _retried_or_parked(self, message: RabbitMessage, delivery: Delivery, error: Exception) -> str:
        assert self._dead_queue is not None
        rung = delivery.attempt - 1
        if is_transient(error) and rung < len(RETRY_LADDER):
            tier = RETRY_LADDER[rung]
            headers = self._failure_headers(message, delivery, error, attempt=delivery.attempt + 1)
            await self._publish_again(message, delivery, tier.name, self._queue, headers)
            log.warning("message.retried", attempt=delivery.attempt, after_s=tier.seconds, error=str(error))
            self._copy_to_log(message, delivery, error, headers, {"ended": RETRIED, "again_in_s": tier.seconds})
            return RETRIED
        headers = self._failure_headers(message, delivery, error, attempt=delivery.attempt)
        await self._publish_again(message, delivery, DEAD.name, self._dead_queue, headers)
        log.error(
            "message.parked",
            queue=self._dead_queue,
            attempts=delivery.attempt,
            error_type=type(error).__name__,
            error=str(error),
            exc_info=None if is_transient(error) else error,
        )
        self._copy_to_log(message, delivery, error, headers, {"ended": PARKED})
        return PARKED

    def _failure_headers(
        self, message: RabbitMessage, delivery: Delivery, error: Exception, *, attempt: int
    ) -> dict[str, Any]:
        """The message's known headers and its failure. `attempt` is the number of its next attempt."""
        headers = self._known_headers(message)
        now = utc_now()
        if tracing.is_on() and delivery.traceparent is not None:
            headers = {ATTEMPT_TRACEPARENT: delivery.traceparent, **headers}
        return {
            **headers,
            **undecoded(message.headers),
            ATTEMPT: attempt,
            **failure_headers(
                error,
                first_failed_at=str(headers.get("first_failed_at", now.isoformat())),
                failed_at=now,
                version=self._version,
                redact=self._bus.redact,
            ),
        }

    def _known_headers(self, message: RabbitMessage) -> dict[str, Any]:
        """The message's known headers, with its origin and its first sender."""
        arrival = Arrival.of(message.raw_message)
        headers = headers_of(arrival, self._bus.redact)
        sender: object = arrival.sender or ""
        try:
            binding = self._door.admit(arrival)
        except PermanentError:  # refused: it is dead-lettered as it came, for an operator to see
            exchange, key = arrival.exchange, arrival.routing_key
        else:
            exchange, key = binding.exchange, arrival.kind
            sender = headers.get(SENT_BY, sender)
        origin = origin_headers(self._queue, exchange, key)
        return {**headers, **known_headers(origin), **({SENT_BY: sender} if sender else {})}

    async def _publish_again(
        self, message: RabbitMessage, delivery: Delivery, exchange: str, routing_key: str, headers: dict[str, Any]
    ) -> None:
        raw = message.raw_message
        await self._bus.publish_raw(
            message.body,
            exchange=exchange,
            routing_key=routing_key,
            kind=delivery.kind,
            must_arrive=True,
            must_be_routed=True,
            message_id=delivery.message_id,
            correlation_id=delivery.correlation_id,
            reply_to=delivery.reply_to,
            timestamp=raw.timestamp if isinstance(raw.timestamp, datetime) else None,
            headers=headers,
        )

    def _copy_to_log(
        self,
        message: RabbitMessage,
        delivery: Delivery,
        error: Exception,
        headers: Mapping[str, Any],
        ended: Mapping[str, str | int],
    ) -> None:
        """Best effort: copy the failure to the message log for tracing. The message itself is already safe."""
        trace_headers = error.trace_headers if isinstance(error, TransientError) else {}
        said = {**headers, **trace_headers, **ended, ATTEMPT: delivery.attempt}
        self._bus.message_log.copy(
            Copy(
                FAILURES,
                delivery.kind,
                message.body,
                delivery.message_id,
                delivery.correlation_id,
                known_headers(said, self._bus.redact),
                utc_now(),
            )
        )


def _has_channel(message: RabbitMessage) -> bool:
    """Whether a message can still be settled; if not, the broker delivers it again."""
    try:
        return not message.raw_message.channel.is_closed
    except ChannelInvalidStateError:
        return False


def _milliseconds_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
