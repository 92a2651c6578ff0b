"""The bus: FastStream's RabbitBroker with safe settings, and the topology declared from data.

Publishing is persistent, mandatory and confirmed, and raises when a message cannot be routed; FastStream's defaults are
none of these.
"""

import asyncio
import struct
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, Self

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import (
    AMQPChannelError,
    AMQPError,
    AuthenticationError,
    ChannelNotFoundEntity,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitExchange, RabbitQueue
from faststream.rabbit.message import RabbitMessage
from faststream.rabbit.subscriber import RabbitSubscriber

from chassis.errors import (
    BrokerUnavailableError,
    DestinationUnavailableError,
    PermanentError,
    PublishFailedError,
    PublishRefusedError,
    UnroutableError,
)
from chassis.messaging import spans
from chassis.messaging.amqp import ShieldedBroker, shielded
from chassis.messaging.attachment import attach_only
from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.broker_calls import BrokerCalls
from chassis.messaging.consumers import Consumers
from chassis.messaging.envelope import Envelope, utc_now
from chassis.messaging.message_log import Copy, MessageLog
from chassis.messaging.newer_versions import NewerVersions
from chassis.messaging.poison import ONE_AT_A_TIME, Caution
from chassis.messaging.provenance import Arrival, Door, Trust, original_of
from chassis.messaging.replies import Replies
from chassis.messaging.topology import declare_topology, verify_topology
from chassis.runtime.metrics import Metrics
from chassis.runtime.redaction import Redaction
from chassis.runtime.settings import ServiceSettings
from contracts.accounts import OPERATOR, own_queue
from contracts.message import Message, parse
from contracts.topology import COMMANDS, EVENTS, QUERIES, REPLIES, Binding, Queue

log = structlog.get_logger()

RECONNECT_INTERVAL = 0.5
"""Seconds before a lost connection is opened again."""


class RawHandler(Protocol):
    """Receives the messages of a queue, and must settle each."""

    async def __call__(self, message: RabbitMessage) -> None: ...


EventHandler = Callable[[Message], Awaitable[None]]


class Bus:
    """One process's connection to RabbitMQ."""

    def __init__(
        self,
        url: str,
        service: str,
        metrics: Metrics,
        *,
        publish_timeout: float,
        graceful_timeout: float,
        redact: Redaction | None = None,
        declares: bool = True,
        operators: str = OPERATOR,
        requires_sender: bool = True,
    ) -> None:
        """With `declares`, for accounts with that right, the topology is declared; otherwise it is verified."""
        self.service = service
        self._url = url
        self.login = BrokerAddress(url).login
        """The account at the broker, the `user_id` of every message; the broker refuses any other."""
        self.trust = Trust.of(self.login, operators, requires_sender=requires_sender)
        """Which accounts' messages are accepted."""
        self._declares = declares
        self.redact = redact or Redaction()
        """Removes secrets from header values."""
        self._metrics = metrics
        self._publish_timeout = publish_timeout
        self.clock: Callable[[], datetime] = utc_now
        """The clock for the time that messages carry."""
        self.broker = ShieldedBroker(
            BrokerAddress(url).named(service).url,
            app_id=service,
            default_channel=Channel(publisher_confirms=True, on_return_raises=True),
            graceful_timeout=graceful_timeout,
            reconnect_interval=RECONNECT_INTERVAL,
            ack_policy=AckPolicy.MANUAL,
            # Its dependency injection costs a hop through a thread per message; handlers here take just the message.
            apply_types=False,
            logger=None,
        )
        attach_only(self.broker)
        self._connection: AbstractRobustConnection | None = None
        self._subscribers: dict[str, RabbitSubscriber] = {}
        self.message_log = MessageLog(url, service, metrics)
        self.unroutable: dict[str, str] = {}
        """Kinds that were unroutable when last published, each with a sentence for readiness."""
        metrics.unroutable.labels(service).set_function(lambda: len(self.unroutable))
        self.topology_problem: str | None = None
        """The result of the last topology verification, a sentence if it failed."""
        self.calls = BrokerCalls()
        self._replies = Replies(lambda: _open(self.connection), self.login, metrics, self._now)
        self.newer_versions = NewerVersions()
        self.consuming = Consumers(self._has_connection)

    @classmethod
    def of(cls, settings: ServiceSettings, service: str, metrics: Metrics) -> Self:
        return cls(
            settings.amqp_url.get_secret_value(),
            service,
            metrics,
            publish_timeout=settings.publish_timeout,
            graceful_timeout=settings.graceful_timeout,
            redact=Redaction.of(settings),
            declares=settings.declare_topology,
            operators=settings.operator_accounts,
            requires_sender=settings.require_sender,
        )

    @property
    def connection(self) -> AbstractRobustConnection:
        """The open connection, for components that open a separate channel."""
        if self._connection is None:
            raise RuntimeError("the bus is not started")
        return self._connection

    def subscribe(self, queue: Queue | str, handler: RawHandler, *, prefetch: int) -> None:
        """Deliver every message of a declared queue to `handler`, with a channel and prefetch count per queue."""
        name = queue if isinstance(queue, str) else queue.name
        subscriber = self.broker.subscriber(
            RabbitQueue(name, declare=False),
            channel=Channel(prefetch_count=ONE_AT_A_TIME),
            no_reply=True,
            decoder=_undecoded,
        )

        caution = Caution(name, prefetch, self.consuming)

        async def consume(message: RabbitMessage) -> None:
            caution.meet(message.headers)
            await handler(message)

        subscriber(consume)
        self._subscribers[name] = subscriber

    async def follow(self, bindings: tuple[Binding, ...], handler: EventHandler) -> None:
        """Follow events over an exclusive queue that ends with the connection, for live views.

        Call after start. Messages are neither acknowledged nor retried: a live view that misses one shows the change at
        its next read.
        """
        channel = await self.connection.channel(publisher_confirms=False)
        name = own_queue(self.service, f"live.{uuid.uuid4().hex}")
        queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
        for binding in bindings:
            await queue.bind(binding.exchange, binding.routing_key)

        originals = tuple(Binding(*original_of(bound.exchange, bound.routing_key)) for bound in bindings)
        door = Door(name, originals, self.trust)

        async def consume(message: AbstractIncomingMessage) -> None:
            try:
                arrival = Arrival.of(message).original
                door.admit(arrival)
                with spans.of_live_view(name, arrival):
                    await handler(parse(message.type or "", message.body))
            except Exception as error:
                log.warning("live.dropped", kind=message.type, error=repr(error))

        await self.listen("live view", queue, consume)

    async def listen(
        self, name: str, queue: AbstractQueue, callback: Callable[[AbstractIncomingMessage], Awaitable[None]]
    ) -> None:
        """Consume an exclusive queue without acknowledgement, and restore its consumer when it is lost."""

        async def consume() -> str:
            return await queue.consume(callback, no_ack=True)

        self.consuming.add(name, queue, await consume(), consume)

    async def connect(self) -> None:
        """Connect, unless this is done; `start` does it too.

        Raises BrokerUnavailableError, and AMQPConnectionError if the broker refuses the account.
        """
        try:
            await self.broker.connect()
        except (AuthenticationError, ProbableAuthenticationError):
            raise
        except (AMQPError, OSError, TimeoutError) as error:  # also a virtual host that is down, or not there yet
            raise BrokerUnavailableError(error) from error

    async def start(self) -> None:
        """Connect, declare or verify the topology, then start consuming."""
        self._connection = await self.broker.connect()
        if self._declares:
            await declare_topology(self._connection, self._url)
        else:
            await verify_topology(self._connection)
        self.message_log.start()
        for subscriber in self._subscribers.values():
            # FastStream drops what arrives before it counts as started, and keeps it unacknowledged; a queue in which
            # messages wait delivers them together with the answer to `basic.consume`.
            subscriber._post_start()
        await self.broker.start()
        for name, subscriber in self._subscribers.items():
            self._keep_consuming(name, subscriber)

    async def verify_topology(self) -> None:
        """Verify the topology again, and keep the result for readiness."""
        before = self.topology_problem
        try:
            await verify_topology(self.connection)
        except PermanentError as problem:
            self.topology_problem = str(problem)
            if before is None:
                log.error("topology.unverified", error=str(problem))
        except (AMQPError, OSError, TimeoutError, RuntimeError):
            return  # the broker is unavailable, which is another check's sentence
        else:
            self.topology_problem = None

    def _keep_consuming(self, name: str, subscriber: RabbitSubscriber) -> None:
        # FastStream itself can only end a subscriber for good: while it does, it drops what the broker has still sent,
        # unacknowledged. So its consumer is cancelled and started again underneath it.
        queue = subscriber._queue_obj
        if queue is None:
            raise RuntimeError(f"FastStream has not subscribed to {name}")

        async def consume() -> str:
            subscriber._consumer_tag = await queue.consume(subscriber.consume)  # type: ignore[arg-type]
            return subscriber._consumer_tag

        self.consuming.add(name, queue, subscriber._consumer_tag, consume, ONE_AT_A_TIME)

    async def stop(self) -> None:
        """Stop consuming, let running handlers finish within the graceful timeout, then close."""
        await self.consuming.pause()
        for subscriber in self._subscribers.values():
            subscriber._consumer_tag = None
        await self._replies.finish()
        await self.broker.stop()
        await self.message_log.stop()
        self._connection = None

    async def publish(
        self, envelope: Envelope, *, must_be_routed: bool = False, expires_after: float | None = None
    ) -> None:
        """Publish one message and wait until the broker confirms it. Raises PublishFailedError if it does not.

        A reply is best effort: it returns at once and never fails. `must_be_routed`: a queue must take it although its
        kind does not require that. `expires_after`: seconds after which the broker drops it unread.
        """
        if envelope.exchange == REPLIES.name:
            self._replies.send(envelope)
            self._count(envelope)
            return
        with spans.of_sending(envelope) as span:
            if span.traceparent != envelope.traceparent:
                envelope = replace(envelope, traceparent=span.traceparent)
            now = self.clock()
            body, headers = envelope.message.to_wire(), envelope.headers(now)
            await self.publish_raw(
                body,
                exchange=envelope.exchange,
                routing_key=envelope.routing_key,
                kind=envelope.kind,
                must_arrive=envelope.must_arrive,
                must_be_routed=must_be_routed or envelope.must_be_routed,
                expires_after=expires_after,
                message_id=envelope.message_id,
                correlation_id=envelope.correlation_id,
                reply_to=envelope.reply_to,
                headers=headers,
                timestamp=now,
            )
            self.confirmed(envelope, body, headers, now)

    def confirmed(self, envelope: Envelope, body: bytes, headers: Mapping[str, Any], at: datetime) -> None:
        """Count a confirmed message, and copy a command or event to the message log."""
        self._count(envelope)
        if self.unroutable:
            self.unroutable.pop(envelope.kind, None)
        if envelope.must_arrive:
            self.message_log.copy(
                Copy(
                    envelope.exchange,
                    envelope.kind,
                    body,
                    envelope.message_id,
                    envelope.correlation_id,
                    headers,
                    at,
                )
            )

    def _count(self, envelope: Envelope) -> None:
        self._metrics.published.labels(self.service, _type_of(envelope), envelope.kind).inc()

    def returned(self, kind: str, exchange: str, error: PublishError) -> UnroutableError:
        """The error of an unroutable message. Readiness names its kind until one is routed."""
        unroutable = UnroutableError(kind, exchange, error)
        self.unroutable[kind] = str(unroutable)
        return unroutable

    async def publish_raw(
        self,
        body: bytes,
        *,
        exchange: str,
        routing_key: str,
        kind: str,
        must_arrive: bool,
        must_be_routed: bool,
        message_id: str,
        correlation_id: str,
        headers: dict[str, Any],
        reply_to: str | None = None,
        timestamp: datetime | None = None,
        expires_after: float | None = None,
    ) -> None:
        """Publish a body unchanged; `publish`, retries and dead-lettering build on it.

        Raises UnroutableError if it `must_be_routed` and no queue takes it, PublishFailedError if the broker does not
        confirm it.
        """
        destination = f"{exchange}/{routing_key}"
        try:
            async with asyncio.timeout(self._publish_timeout):
                await shielded(
                    self.broker.publish(
                        body,
                        exchange=_exchange(exchange),
                        routing_key=routing_key,
                        mandatory=must_be_routed,
                        persist=must_arrive,
                        message_id=message_id,
                        correlation_id=correlation_id,
                        message_type=kind,
                        content_type="application/json",
                        timestamp=timestamp or self.clock(),
                        reply_to=reply_to,
                        expiration=expires_after,
                        user_id=self.login,
                        headers=headers,
                    )
                )
        except PublishError as error:
            raise self.returned(kind, exchange, error) from error
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            # aiormq raises RuntimeError for a writer that closed under it.
            if self._has_connection():
                self.calls.reopen_after_nack(await self.broker.config.channel_manager.get_channel(), error)
            raise _failure_of(error)(kind, destination, error) from error
        except (ValueError, TypeError, struct.error) as unencodable:
            raise PublishRefusedError(kind, destination, unencodable) from unencodable

    def _now(self) -> datetime:
        return self.clock()

    def _has_connection(self) -> bool:
        return self._connection is not None and self._connection.connected.is_set()

    async def is_connected(self) -> bool:
        """Whether the broker currently answers."""
        return self._connection is not None and await self.broker.ping(timeout=2.0)


def _failure_of(error: BaseException) -> type[PublishFailedError]:
    match error:
        case DeliveryError() | ChannelNotFoundEntity():
            return DestinationUnavailableError
        case AMQPChannelError():
            return PublishRefusedError
        case _:
            return PublishFailedError


async def _open(connection: AbstractRobustConnection) -> AbstractRobustChannel:
    return await connection.channel(publisher_confirms=False)


async def _undecoded(message: Any) -> Any:
    """Passes the raw message on: the contract parses it, so that an invalid body is dead-lettered with its reason."""
    return message


def _exchange(name: str) -> RabbitExchange:
    return RabbitExchange(name, type=ExchangeType.TOPIC, declare=False)


def _type_of(envelope: Envelope) -> str:
    types = {COMMANDS.name: "command", EVENTS.name: "event", QUERIES.name: "query", REPLIES.name: "reply"}
    return types[envelope.exchange]
