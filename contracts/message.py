"""Messages: frozen values whose `kind` is their name on the wire.

`kind` is routing key, AMQP `type` and discriminator of the body at once; the version lives in it
(`orders.place-order.v1`). A reader ignores fields it does not know, so a newer sender never breaks an older reader;
a change that would must take a new version, and an upcaster for the old one (contracts/upcasting.py).
"""

import json
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.ids import OrderId
from contracts.upcasting import lifted, newest_of, old_kinds


class UnknownKindError(ValueError):
    """The kind of a message is in no contract."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"unknown kind {kind!r}: the sender is newer, or the message is for another system")


class NewerKindError(UnknownKindError):
    """The kind is known, in a version that only newer readers can parse."""


class MalformedMessageError(ValueError):
    """A body does not parse as its kind."""

    def __init__(self, kind: str, problem: str) -> None:
        self.kind = kind
        super().__init__(f"invalid body for {kind}: {problem}")

    @classmethod
    def because(cls, kind: str, cause: ValidationError) -> Self:
        first = cause.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        return cls(kind, f"{place}: {first['msg']} ({cause.error_count()} problem(s) in all)")


class Message(BaseModel):
    """Base of everything that travels on the bus."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kinds: ClassVar[dict[str, type["Message"]]] = {}
    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        kind = cls.model_fields["kind"].default
        if isinstance(kind, str):
            Message.kinds[kind] = cls

    @classmethod
    def wire_kind(cls) -> str:
        """The name of this message on the wire."""
        kind: str = cls.model_fields["kind"].default
        return kind

    def to_wire(self) -> bytes:
        return self.model_dump_json().encode()


class Command(Message):
    """A request to one receiver, which may refuse it."""


class Event(Message):
    """A fact. Any service may subscribe; none can reject it."""


class OrderCommand(Command):
    order_id: OrderId


class OrderEvent(Event):
    """A fact about one order."""

    order_id: OrderId


class Query(Message):
    """A read, answered or forgotten: never logged, retried or dead-lettered. Its requester asks again.

    So travel the bytes of pictures, too, in both directions: docs/decisions/0042-pictures-travel-as-queries.md.
    """


class Reply(Message):
    """An answer, sent only to the reply address of its requester."""


def parse(kind: str, body: bytes) -> Message:
    """Parse `body` as its kind; an older version is upcast to the newest.

    Raises UnknownKindError or MalformedMessageError; both are permanent: no retry makes such a body parse. The subclass
    NewerKindError means that a newer reader can.
    """
    message_type = type_of(kind)
    newest = body if message_type.wire_kind() == kind else _lifted(kind, body)
    try:
        return message_type.model_validate_json(newest)
    except ValidationError as error:
        raise MalformedMessageError.because(kind, error) from error


def _lifted(kind: str, body: bytes) -> bytes:
    try:
        return json.dumps(lifted(kind, json.loads(body))).encode()
    except Exception as error:
        # Its class alone: its text may repeat what was in the body.
        raise MalformedMessageError(
            kind, f"it cannot be upcast to {newest_of(kind)}: {type(error).__name__}"
        ) from error


def type_of(kind: str) -> type[Message]:
    """The class that messages of a kind are parsed as. Raises UnknownKindError, as `parse` does."""
    message_type = Message.kinds.get(newest_of(kind))
    if message_type is None:
        raise NewerKindError(kind) if known_version(kind) else UnknownKindError(kind)
    return message_type


def known_version(kind: str) -> str | None:
    """The kind itself; for a version beyond all known ones, the newest known one; None for an unknown message."""
    all_known = (*Message.kinds, *old_kinds())
    if kind in all_known:
        return kind
    name, version = _split(kind)
    versions = {number: known for known in all_known for known_name, number in [_split(known)] if known_name == name}
    newest = max(versions, default=version)
    return versions[newest] if version > newest else None


def _split(kind: str) -> tuple[str, int]:
    """The name and the version in a kind; version 0 when there is none."""
    name, _, version = kind.rpartition(".v")
    return (name, int(version)) if version.isascii() and version.isdecimal() and len(version) < 6 else (kind, 0)
