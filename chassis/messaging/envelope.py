"""A message with what travels beside it: its ids, its cause, and where it goes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from chassis.decision import Answer, Outgoing, Waiter
from chassis.messaging.headers import ATTEMPT, SENT_AT_MS
from contracts.ids import bounded_id
from contracts.message import Command, Event, Message, Query, type_of
from contracts.topology import COMMANDS, EVENTS, EVENTS_WITHOUT_FOLLOWER, QUERIES, REPLIES


def utc_now() -> datetime:
    """The clock of production; tests bring their own."""
    return datetime.now(UTC)


def _digest(*parts: str) -> str:
    """Names parts for good: other parts have another digest."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as an outbox holds it, sent on unparsed: a version that does not know its kind sends it, too."""

    kind: str
    body: bytes
    exchange: str
    must_be_routed: bool | None = None
    """None: its version did not say."""

    def to_wire(self) -> bytes:
        return self.body


@dataclass(frozen=True, slots=True)
class Envelope:
    """One outgoing message.

    `to` is set for replies only: the address its requester listens on. `reply_to` is where an answer is awaited.
    `notes` travel as headers and are for people who trace an order: which request, which call to the PSP. They are not
    kept in an outbox, and hold no secret.
    """

    message: Message | StoredMessage
    message_id: str
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    to: str | None = None
    reply_to: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.message.kind

    @property
    def exchange(self) -> str:
        """Each sort of message has one. None goes through the default exchange: it leads into every queue there is."""
        return self.message.exchange if isinstance(self.message, StoredMessage) else _exchange_of(type(self.message))

    @property
    def routing_key(self) -> str:
        return (self.to or "") if self.exchange == REPLIES.name else self.kind

    @property
    def must_arrive(self) -> bool:
        """Commands and events are persistent and confirmed; a requester that has gone is no error."""
        return self.exchange in (COMMANDS.name, EVENTS.name)

    @property
    def must_be_routed(self) -> bool:
        """Whether a queue must take it: every command, and every event but those without a follower by design."""
        if isinstance(self.message, StoredMessage) and self.message.must_be_routed is not None:
            return self.message.must_be_routed
        return self.must_arrive and self.kind not in EVENTS_WITHOUT_FOLLOWER

    def headers(self, now: datetime) -> dict[str, Any]:
        """The AMQP headers it leaves with. AMQP's own timestamp has whole seconds only: too coarse to trace by."""
        ids = {"causation_id": self.causation_id, "traceparent": self.traceparent}
        known = {name: value for name, value in ids.items() if value is not None}
        return {**self.notes, **known, ATTEMPT: 1, SENT_AT_MS: int(now.timestamp() * 1000)}

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
        """As it was stored. Raises UnknownKindError when it was stored before exchanges were, and its kind is gone."""
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


def _exchange_of(message_type: type[Message]) -> str:
    for base, exchange in ((Command, COMMANDS), (Event, EVENTS), (Query, QUERIES)):
        if issubclass(message_type, base):
            return exchange.name
    return REPLIES.name


class Publisher(Protocol):
    """Where messages leave: the bus, or a rehearsal that only notes them."""

    async def publish(self, envelope: Envelope) -> None: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """How a message failed the last time, and when it first did (ISO 8601)."""

    error_type: str
    error: str
    first_at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came with an incoming message: who sent it for what, and how often it was tried."""

    message_id: str
    correlation_id: str
    kind: str
    causation_id: str | None = None
    traceparent: str | None = None
    reply_to: str | None = None
    attempt: int = 1
    failure: Failure | None = None

    @property
    def waiter(self) -> Waiter | None:
        """Who waits for an answer, if anybody does."""
        return Waiter(reply_to=self.reply_to, correlation_id=self.correlation_id) if self.reply_to else None

    def caused(self, message: Command | Event, message_id: str, notes: Mapping[str, str] | None = None) -> Envelope:
        """A message that follows from this one, in the same guest action."""
        return Envelope(message, message_id, self.correlation_id, self.message_id, self.traceparent, notes=notes or {})

    def sent_by(
        self, document_id: str, version: int, messages: tuple[Outgoing, ...], *, life: str = ""
    ) -> tuple[Envelope, ...]:
        """The envelopes of what a document decided at this version.

        An id names document, version and place, so a person can read where a message was born, and ends in a digest of
        the document's life, this cause and what is said. The same decision for the same cause always has the same ids.
        A document that was restored to an earlier version, and decides otherwise from there, has other ones: its
        receivers do not take the new for the old.
        """
        envelopes = []
        for index, outgoing in enumerate(messages):
            said = outgoing.reply if isinstance(outgoing, Answer) else outgoing
            meaning = _digest(life, self.message_id, said.kind, said.to_wire().decode())
            message_id = bounded_id(f"{document_id}.{version}.{index}.{meaning}")
            match outgoing:
                case Answer(to=waiter, reply=reply):
                    envelopes.append(
                        Envelope(reply, message_id, waiter.correlation_id, self.message_id, to=waiter.reply_to)
                    )
                case _:
                    envelopes.append(self.caused(outgoing, message_id))
        return tuple(envelopes)
