"""A message as somebody found it, in the log or among the dead letters, and which ones somebody looks for."""

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

from contracts.topology import DEAD, QUEUES

_ORDER = re.compile(rb"ord_[a-z0-9]+")
_PAYMENT = re.compile(rb"pay_([a-z0-9]+)")

_GIVEN_UP = "GivenUpByBroker"

WORK_QUEUES = tuple(queue for queue in QUEUES if queue.arguments.get("x-dead-letter-exchange") == DEAD.name)
"""Queues that a service takes its work from."""


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
"""Bytes that are almost always text, and are stored so that a person can read them."""


class Seen(BaseModel):
    """A message with all that came with it."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    kind: str
    body: Body
    correlation_id: str = ""
    causation_id: str | None = None
    sent_at: datetime | None = Field(default=None, description="when its sender published it, to the second")
    sender: str = ""
    exchange: str = Field(default="", description="where it was published; empty: straight to a queue")
    routing_key: str = ""
    headers: Mapping[str, Any] = Field(default_factory=dict)
    offset: int | None = Field(default=None, description="where it stands in the log, if it was found there")

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "Seen":
        """From a delivery, whatever its state."""
        headers = {name: _plain(value) for name, value in message.headers.items()}
        offset = headers.pop("x-stream-offset", None)
        causation_id = headers.get("causation_id")
        return cls(
            message_id=message.message_id or "",
            kind=message.type or "",
            body=message.body,
            correlation_id=message.correlation_id or "",
            causation_id=causation_id if isinstance(causation_id, str) else None,
            sent_at=message.timestamp.astimezone(UTC) if isinstance(message.timestamp, datetime) else None,
            sender=message.app_id or "",
            exchange=message.exchange or "",
            routing_key=message.routing_key or "",
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
        return self._text("error_type") or (_GIVEN_UP if "x-first-death-queue" in self.headers else None)

    @property
    def error(self) -> str | None:
        given_up = self._text("x-first-death-reason")
        return self._text("error") or (given_up and f"the broker gave it up itself: {given_up}")

    @property
    def attempt(self) -> int:
        attempt = self.headers.get("attempt")
        return attempt if isinstance(attempt, int) else 1

    @property
    def failed_at(self) -> datetime | None:
        """When it last failed, if it did."""
        text = self._text("last_failed_at")
        try:
            return datetime.fromisoformat(text) if text else None
        except ValueError:
            return None

    @property
    def queues(self) -> tuple[str, ...]:
        """The work queues it goes, or went, to."""
        origin = self._text("origin_queue") or self._text("x-first-death-queue")
        return (origin,) if origin else tuple(queues_of(self.exchange, self.routing_key))

    def readable_body(self) -> Any:
        """The body for people and programs: parsed where it is JSON, else as text."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body.decode(errors="backslashreplace")

    def _text(self, name: str) -> str | None:
        value = self.headers.get(name)
        return value if isinstance(value, str) else None


def queues_of(exchange: str, routing_key: str) -> Iterator[str]:
    """The work queues that get what is published so."""
    for queue in WORK_QUEUES:
        if any((bound.exchange, bound.routing_key) == (exchange, routing_key) for bound in queue.bindings):
            yield queue.name


def _plain(value: object) -> Any:
    """An AMQP header as JSON has it."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case bytes() | bytearray():
            return bytes(value).decode(errors="backslashreplace")
        case Mapping():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages somebody looks for. What is not named does not matter.

    `queue` and `kind` are patterns (`extras.*`, `*refund*`), `error` is any part of the error's type or text.
    """

    queue: str | None = None
    kind: str | None = None
    error: str | None = None
    order: str | None = None
    correlation: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, seen: Seen) -> bool:
        at = seen.failed_at or seen.sent_at
        failure = f"{seen.error_type}: {seen.error}".casefold()
        return all(
            (
                self.queue is None or any(fnmatchcase(queue, self.queue) for queue in (*seen.queues, seen.routing_key)),
                self.kind is None or fnmatchcase(seen.kind, self.kind),
                self.error is None or (seen.error is not None and self.error.casefold() in failure),
                self.order is None or seen.order_id == self.order,
                self.correlation is None or seen.correlation_id == self.correlation,
                self.since is None or (at is not None and at >= self.since),
                self.until is None or (at is not None and at < self.until),
            )
        )

    def __str__(self) -> str:
        named = {name: getattr(self, name) for name in self.__slots__}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or "everything"
