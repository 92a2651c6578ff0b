"""The stored form of a document: state, handled ids, outbox and history, with the fields of other versions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic

from chassis.decision import StateT
from chassis.errors import NewerDocumentError
from chassis.messaging.envelope import Envelope
from chassis.storage.folding import BLOCKS_KEPT, FOLDED_FROM, LEFT_OPEN, fold, handled_of, transitions_of
from chassis.storage.history import Transition
from chassis.storage.unknown_fields import Origin, origin_of, with_unknown

_FOR_SWEEPS = ("updated_at", "unsent_since", "due_at", "attention_since")
"""Fields derived from the document, for sweeps and for people."""


@dataclass(frozen=True, slots=True)
class Stored(Generic[StateT]):
    """A document as loaded or about to be written.

    `life` is a random value drawn at the first write: a document that is deleted and created again has another.
    `origin` is the raw document, if it held fields that this version does not know. `handled` and `history` are the
    newest entries; `folded` has the older ones, in blocks.
    """

    id: str
    version: int
    state: StateT
    handled: tuple[str, ...] = ()
    outbox: tuple[Envelope, ...] = ()
    history: tuple[Transition, ...] = ()
    attention_since: datetime | None = None
    life: str = ""
    folded: tuple[bytes, ...] = ()
    origin: Origin | None = None

    def has_handled(self, message_id: str) -> bool:
        """Whether this message has changed the document, as far as it remembers."""
        return message_id in self.handled or any(message_id in handled_of(block) for block in self.folded)

    @property
    def whole_history(self) -> tuple[Transition, ...]:
        """All transitions that the document remembers, the oldest first."""
        return (*(change for block in self.folded for change in transitions_of(block)), *self.history)


def with_old_folded(new: Stored[StateT]) -> Stored[StateT]:
    """The document with all but its newest transitions and handled ids in a block, once there are many."""
    if len(new.history) < FOLDED_FROM:
        return new
    raw = with_unknown(_understood(new), new.origin)  # a newer version's transitions are folded whole
    block = fold(raw["history"][:-LEFT_OPEN], raw["handled"][:-LEFT_OPEN])
    return replace(
        new,
        history=new.history[-LEFT_OPEN:],
        handled=new.handled[-LEFT_OPEN:],
        folded=(*new.folded, block)[-BLOCKS_KEPT:],
    )


def document_of(new: Stored[StateT], now: datetime, due_at: datetime | None) -> dict[str, Any]:
    """The stored form, including the unknown fields of the document it was read from."""
    document = with_unknown(_understood(new), new.origin)
    document["updated_at"] = now
    if new.outbox:
        document["unsent_since"] = now
    if due_at is not None:
        document["due_at"] = due_at
    if new.attention_since is not None:
        document["attention_since"] = new.attention_since
    return document


def stored_of(raw: Mapping[str, Any], state_type: type[StateT]) -> Stored[StateT]:
    """Read the stored form. Raises NewerDocumentError if only a newer version can interpret it."""
    stored = Stored(
        id=raw["_id"],
        version=raw["version"],
        state=state_of(raw, state_type),
        handled=tuple(raw["handled"]),
        outbox=tuple(Envelope.from_document(entry) for entry in raw["outbox"]),
        # Documents written before there was a history have none, and before there were lives, none either.
        history=tuple(Transition.from_document(entry) for entry in raw.get("history", ())),
        attention_since=raw.get("attention_since"),
        life=raw.get("life", ""),
        folded=tuple(raw.get("folded", ())),
    )
    understood = _understood(stored) | {name: raw[name] for name in _FOR_SWEEPS if name in raw}
    return replace(stored, origin=origin_of(raw, understood))


def state_of(raw: Mapping[str, Any], state_type: type[StateT]) -> StateT:
    """Read only the state. Raises NewerDocumentError as `stored_of` does."""
    schema = raw.get("schema", 1)
    if schema > state_type.schema_number:
        raise NewerDocumentError(raw["_id"], schema, state_type.schema_number)
    return state_type.model_validate(raw["state"])


def _understood(stored: Stored[StateT]) -> dict[str, Any]:
    document = {
        "_id": stored.id,
        "version": stored.version,
        "schema": stored.state.schema_number,
        "life": stored.life,
        "state": stored.state.model_dump(mode="json"),
        "handled": list(stored.handled),
        "outbox": [envelope.to_document() for envelope in stored.outbox],
        "history": [transition.to_document() for transition in stored.history],
    }
    return document | {"folded": list(stored.folded)} if stored.folded else document
