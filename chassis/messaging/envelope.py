"""A message with what travels beside it: its ids, its cause, and where it goes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol, Self

from chassis.decision import DeferredReply, Outgoing, PendingReply
from chassis.messaging.headers import ATTEMPT, SENT_AT_MS
from contracts.ids import bounded_id
from contracts.message import Command, Event, Message, Query, Reply, type_of
from contracts.topology import COMMANDS, EVENTS, EVENTS_WITHOUT_FOLLOWER, QUERIES, REPLIES


def utc_now() -> datetime:
    """The production clock; tests pass their own."""
    return datetime.now(UTC)


def _digest(*parts: str) -> str:
    """A stable name for `parts`: different parts have different digests."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as an outbox holds it, unparsed: a version that does not know its kind can still publish it."""

    kind: str
    body: bytes
    exchange: str
    must_be_routed: bool | None = None
    """None: the version that stored it did not record this."""

    def to_wire(self) -> bytes:
        return self.body


@dataclass(frozen=True, slots=True)
class Envelope:
    """One outgoing message.

    `to` is set for replies only: the address its requester listens on. `reply_to` is where an answer is awaited.
    `trace_headers` are AMQP headers for people who trace an order: the HTTP request or PSP call behind the message.
    They are not kept in an outbox, and hold no secret.
    """

    message: Message | StoredMessage
    message_id: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    to: str | None = None
    reply_to: str | None = None
    trace_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.message.kind

    @property
    def exchange(self) -> str:
        """Each sort of message has one. None uses the default exchange, which leads to every queue of the broker."""
        return self.message.exchange if isinstance(self.message, StoredMessage) else _exchange_of(type(self.message))

    @property
    def routing_key(self) -> str:
        return (self.to or "") if self.exchange == REPLIES.name else self.kind

    @property
    def must_arrive(self) -> bool:
        """Commands and events are persistent and confirmed; replies are best effort, their requester may have gone."""
        return self.exchange in (COMMANDS.name, EVENTS.name)

    @property
    def must_be_routed(self) -> bool:
        """Whether a queue must take it: every command and event except `EVENTS_WITHOUT_FOLLOWER`."""
        if isinstance(self.message, StoredMessage) and self.message.must_be_routed is not None:
            return self.message.must_be_routed
        return self.must_arrive and self.kind not in EVENTS_WITHOUT_FOLLOWER

    def headers(self, now: datetime) -> dict[str, Any]:
        """AMQP headers, with the time in milliseconds: AMQP's own timestamp (seconds) is too coarse to trace by."""
        ids = {"causation_id": self.causation_id, "traceparent": self.traceparent}
        known = {name: value for name, value in ids.items() if value is not None}
        return {**self.trace_headers, **known, ATTEMPT: 1, SENT_AT_MS: int(now.timestamp() * 1000)}

    def to_document(self) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "kind": self.kind,
            "body": self.message.to_wire().decode(),
            "exchange": self.exchange,
            "must_be_routed": self.must_be_routed,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "traceparent": self.traceparent,
            "to": self.to,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Raises UnknownKindError if it was stored without an exchange (by 0.1.0) and its kind no longer exists."""
        kind = document["kind"]
        exchange = document.get("exchange") or _exchange_of(type_of(kind))
        return cls(
            message=StoredMessage(kind, document["body"].encode(), exchange, document.get("must_be_routed")),
            message_id=document["id"],
            correlation_id=document["correlation_id"],
            causation_id=document["causation_id"],
            traceparent=document["traceparent"],
            to=document["to"],
        )


@cache
def _exchange_of(message_type: type[Message]) -> str:
    for base, exchange in ((Command, COMMANDS), (Event, EVENTS), (Query, QUERIES)):
        if issubclass(message_type, base):
            return exchange.name
    return REPLIES.name


class Publisher(Protocol):
    """Where messages are published: the bus, or a dry run that only records them."""

    async def publish(self, envelope: Envelope) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a message, and the time of its first (ISO 8601)."""

    error_type: str
    error: str
    first_at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """Ids, attempt and origin of an incoming message."""

    message_id: str
    correlation_id: str
    kind: str
    causation_id: str | None = None
    traceparent: str | None = None
    reply_to: str | None = None
    attempt: int = 1
    failure: Failure | None = None
    sent_at: datetime | None = None
    """When its sender first published it, to the second; None if the message does not say."""

    @property
    def pending_reply(self) -> PendingReply | None:
        """The requester's address, or None if no reply is expected."""
        return PendingReply(reply_to=self.reply_to, correlation_id=self.correlation_id) if self.reply_to else None

    def step(self, name: str) -> "Delivery":
        """One of several steps that handling this message takes, for a document that must tell them apart."""
        return replace(self, message_id=f"{self.message_id}.{name}", causation_id=self.message_id)

    def follow_up(
        self, message: Command | Event, message_id: str, trace_headers: Mapping[str, str] | None = None
    ) -> Envelope:
        """A message that this one causes, with the same correlation id."""
        return Envelope(
            message,
            message_id,
            self.correlation_id,
            self.message_id,
            self.traceparent,
            trace_headers=trace_headers or {},
        )

    def outbox_of(
        self, document_id: str, version: int, messages: tuple[Outgoing, ...], *, life: str = ""
    ) -> tuple[Envelope, ...]:
        """The envelopes of a document's new messages at this version, with deterministic ids.

        An id names document, version and place, so that a person can read where a message comes from, and ends in a
        digest of the document's life, the cause and the content. The same decision for the same cause always has the
        same ids. A document that was restored from a backup, and decides differently from there, has other ones: its
        receivers do not take the new message for the old.
        """
        envelopes = []
        for index, outgoing in enumerate(messages):
            said = outgoing.reply if isinstance(outgoing, DeferredReply) else outgoing
            meaning = _digest(life, self.message_id, said.kind, said.to_wire().decode())
            message_id = bounded_id(f"{document_id}.{version}.{index}.{meaning}")
            match outgoing:
                case DeferredReply(to=pending_reply, reply=reply):
                    envelopes.append(
                        Envelope(
                            reply, message_id, pending_reply.correlation_id, self.message_id, to=pending_reply.reply_to
                        )
                    )
                case _:
                    envelopes.append(self.follow_up(outgoing, message_id))
        return tuple(envelopes)


async def send_reply(bus: Publisher, delivery: Delivery, reply: Reply | None) -> None:
    """Reply to a message's requester, if it has one and there is a reply."""
    if reply is None or delivery.reply_to is None:
        return
    message_id = bounded_id(f"{delivery.message_id}.reply")
    await bus.publish(Envelope(reply, message_id, delivery.correlation_id, delivery.message_id, to=delivery.reply_to))
