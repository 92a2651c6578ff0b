"""What a message is: a frozen value whose `kind` is its name on the wire.

`kind` is routing key, AMQP `type` and discriminator of the body at once; the version lives in it
(`orders.place-order.v1`). A reader ignores fields it does not know, so a newer sender never breaks an older reader;
a change that would must take a new version.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.ids import OrderId


class UnknownKindError(ValueError):
    """A message whose kind no contract knows."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"no contract knows the kind {kind!r}: a newer sender, or a message for another system")


class NewerKindError(UnknownKindError):
    """A known message in a version that only newer readers know."""


class MalformedMessageError(ValueError):
    """A body that does not parse as what its kind says."""

    def __init__(self, kind: str, cause: ValidationError) -> None:
        self.kind = kind
        first = cause.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        super().__init__(f"the body is no {kind}: {place}: {first['msg']} ({cause.error_count()} problem(s) in all)")


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
    """Asks one receiver to do something; it may refuse."""


class Event(Message):
    """A fact. Whoever is interested follows; nobody can refuse it."""


class OrderCommand(Command):
    """A command about one order."""

    order_id: OrderId


class OrderEvent(Event):
    """A fact about one order."""

    order_id: OrderId


class Query(Message):
    """A read: answered or forgotten, never stored."""


class Reply(Message):
    """An answer to one waiting requester, sent to its reply address and nowhere else."""


def parse(kind: str, body: bytes) -> Message:
    """The message in `body`, as its kind says.

    Raises UnknownKindError or MalformedMessageError; both are permanent: no retry makes such a body parse. Of
    UnknownKindError, NewerKindError says that a newer reader can.
    """
    message_type = type_of(kind)
    try:
        return message_type.model_validate_json(body)
    except ValidationError as error:
        raise MalformedMessageError(kind, error) from error


def type_of(kind: str) -> type[Message]:
    """The class of a kind. Raises UnknownKindError, as `parse` does."""
    message_type = Message.kinds.get(kind)
    if message_type is None:
        raise NewerKindError(kind) if _is_newer(kind) else UnknownKindError(kind)
    return message_type


def _is_newer(kind: str) -> bool:
    """Whether it is a version of a known message beyond all known ones."""
    name, version = _split(kind)
    known = [number for known_name, number in map(_split, Message.kinds) if known_name == name]
    return bool(known) and version > max(known)


def _split(kind: str) -> tuple[str, int]:
    """The name and the version in a kind; version 0 when there is none."""
    name, _, version = kind.rpartition(".v")
    return (name, int(version)) if version.isascii() and version.isdecimal() and len(version) < 6 else (kind, 0)
