"""Messages read from the log or the dead letters, and filters for them."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any

from aio_pika.abc import AbstractIncomingMessage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from chassis.errors import UndecodableMessageError
from chassis.messaging.amqp_decoding import UndecodedHeaders
from chassis.messaging.headers import ORIGIN_ROUTING_KEY, SENT_BY, text, undecoded
from contracts.topology import COMMANDS, COPIES, EVENTS, QUEUES, QueueRole, queue_named
from ops.core.plain import plain

_ORDER = re.compile(rb"ord_[a-z0-9]+")
_PAYMENT = re.compile(rb"pay_([a-z0-9]+)")

_GIVEN_UP = "GivenUpByBroker"
_READABLE = 256 * 1024
_BEGINNING = 4096
"""Bytes up to which a body is shown whole, and bytes shown of a larger one."""

WORK_QUEUES = tuple(queue for queue in QUEUES if queue.role is QueueRole.WORK)
"""Work queues of services."""


def _bytes_of(stored: object) -> object:
    match stored:
        case {"text": str(text)}:
            return text.encode()
        case {"base64": str(encoded)}:
            return b64decode(encoded)
        case _:
            return stored


def _stored(body: bytes) -> Mapping[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


Body = Annotated[bytes, BeforeValidator(_bytes_of), PlainSerializer(_stored, when_used="json")]
"""Bytes that are nearly always text, stored in readable form."""


class LargeBody(BaseModel):
    """A separately stored body (ops/core/large_bodies.py)."""

    model_config = ConfigDict(frozen=True)

    digest: str = Field(description="SHA-256, hexadecimal")
    size: int = Field(description="bytes")


class RecordedMessage(BaseModel):
    """A message with its properties and headers."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    kind: str
    body: Body
    correlation_id: str = ""
    causation_id: str | None = None
    sent_at: datetime | None = Field(default=None, description="when its sender published it, to the second")
    sender: str = ""
    account: str = Field(default="", description="the account at the broker that published it last (`user_id`)")
    exchange: str = Field(
        default="", description="where it was published; empty: straight to a queue; failures: a copy of one"
    )
    routing_key: str = ""
    headers: Mapping[str, Any] = Field(default_factory=dict)
    offset: int | None = Field(default=None, description="its offset in the log, if it was read there")
    large: LargeBody | None = Field(default=None, description="set where `body` is only the beginning of the body")

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "RecordedMessage":
        """From a delivery, even a malformed one."""
        headers: dict[str, Any] = plain(dict(message.headers))
        offset = headers.pop("x-stream-offset", None)
        if isinstance(message.headers, UndecodedHeaders) and "error_type" not in headers:
            undecodable = UndecodableMessageError(message.headers.reasons)
            headers |= {"error_type": type(undecodable).__name__, "error": str(undecodable)}
            headers |= undecoded(message.headers)
        exchange, routing_key = message.exchange or "", message.routing_key or ""
        if exchange == COPIES.name:
            exchange, _, routing_key = routing_key.partition(".")
        return cls(
            message_id=message.message_id or "",
            kind=message.type or "",
            body=message.body,
            correlation_id=message.correlation_id or "",
            causation_id=text(headers, "causation_id"),
            sent_at=message.timestamp.astimezone(UTC) if isinstance(message.timestamp, datetime) else None,
            sender=message.app_id or "",
            account=message.user_id or "",
            exchange=exchange,
            routing_key=routing_key,
            headers=headers,
            offset=offset if isinstance(offset, int) else None,
        )

    @property
    def order_id(self) -> str | None:
        """The order it is about, also when the body does not parse or names only the payment."""
        found = _ORDER.search(self.body)
        if found:
            return found.group().decode()
        paid = _PAYMENT.search(self.body)
        return f"ord_{paid.group(1).decode()}" if paid else None

    @property
    def error_type(self) -> str | None:
        return text(self.headers, "error_type") or (_GIVEN_UP if "x-first-death-queue" in self.headers else None)

    @property
    def error(self) -> str | None:
        given_up = text(self.headers, "x-first-death-reason")
        return text(self.headers, "error") or (given_up and f"dead-lettered by the broker itself: {given_up}")

    @property
    def attempt(self) -> int:
        attempt = self.headers.get("attempt")
        return attempt if isinstance(attempt, int) else 1

    @property
    def failed_at(self) -> datetime | None:
        """When it last failed, if it did."""
        said = text(self.headers, "last_failed_at")
        try:
            at = datetime.fromisoformat(said) if said else None
        except ValueError:
            return None
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    @property
    def queues(self) -> tuple[str, ...]:
        """The work queues it goes, or went, to."""
        origin = text(self.headers, "origin_queue") or text(self.headers, "x-first-death-queue")
        return (origin,) if origin else tuple(queues_of(self.exchange, self.routing_key))

    @property
    def sent_by(self) -> str:
        """The account that published it first, if the broker vouches for it."""
        return text(self.headers, SENT_BY) or self.account

    @property
    def sent_as(self) -> str | None:
        """The sender's routing key."""
        if self.exchange in (COMMANDS.name, EVENTS.name):
            return self.routing_key
        return text(self.headers, ORIGIN_ROUTING_KEY) or _first_routing_key(self.headers.get("x-death"))

    def misroute(self, queue: str) -> str | None:
        """The reason why a replay must not send it to a queue, or None: all services trust the operator's account."""
        if not any(binding.routing_key == self.kind for binding in queue_named(queue).bindings):
            return f"{self.kind} is not bound to {queue}"
        if self.sent_as not in (None, self.kind, queue):
            return f"its kind is {self.kind}, its routing key {self.sent_as}"
        return None

    def readable_body(self) -> Any:
        """The body for people and programs: parsed where it is JSON, else as text. A large one is cut."""
        if len(self.body) > _READABLE or self.large:
            size = self.large.size if self.large else len(self.body)
            return f"{self.body[:_BEGINNING].decode(errors='backslashreplace')}… ({size} bytes)"
        try:
            return plain(json.loads(self.body))
        except (ValueError, RecursionError):
            return self.body.decode(errors="backslashreplace")


def _first_routing_key(deaths: object) -> str | None:
    """RabbitMQ's own record of a message that it has dead-lettered itself."""
    match deaths:
        case [{"routing-keys": [str(key), *_]}, *_]:
            return key
        case _:
            return None


def queues_of(exchange: str, routing_key: str) -> Iterator[str]:
    """The work queues of an exchange and routing key."""
    for queue in WORK_QUEUES:
        if any((bound.exchange, bound.routing_key) == (exchange, routing_key) for bound in queue.bindings):
            yield queue.name


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter for messages. Fields that are not set match everything.

    `queue` and `kind` are patterns (`extras.*`, `*refund*`), `error` is any part of the error's type or text.
    """

    queue: str | None = None
    kind: str | None = None
    error: str | None = None
    order: str | None = None
    correlation: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, seen: RecordedMessage, taken_in_at: datetime | None = None) -> bool:
        """`taken_in_at` is the time of a dead letter without a time of its failure. A message of the log without a time
        matches all times: the log is read from `since` on.
        """
        at = seen.failed_at or seen.sent_at or taken_in_at
        failure = f"{seen.error_type}: {seen.error}".casefold()
        return all(
            (
                self.queue is None or any(fnmatchcase(queue, self.queue) for queue in (*seen.queues, seen.routing_key)),
                self.kind is None or fnmatchcase(seen.kind, self.kind),
                self.error is None or (seen.error is not None and self.error.casefold() in failure),
                self.order is None or seen.order_id == self.order,
                self.correlation is None or seen.correlation_id == self.correlation,
                self.since is None or at is None or at >= self.since,
                self.until is None or at is None or at < self.until,
            )
        )

    def __str__(self) -> str:
        named = {name: getattr(self, name) for name in self.__slots__}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or "everything"
