"""A store in memory, as far as services use it: versioned documents with guarded writes, and plain records.

Values travel through JSON and back, as they do through a real store.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, cast

from chassis.envelope import Envelope
from chassis.errors import StoreUnavailableError
from chassis.history import Transition
from chassis.store import ModelT, Store, Stored


class FakeDocuments(Generic[ModelT]):
    def __init__(self, state_type: type[ModelT]) -> None:
        self._state_type = state_type
        self._kept: dict[str, dict[str, Any]] = {}
        self.away = False

    async def load(self, document_id: str) -> Stored[ModelT] | None:
        self._ask()
        raw = self._kept.get(document_id)
        if raw is None:
            return None
        return Stored(
            id=document_id,
            version=raw["version"],
            state=self._state_type.model_validate_json(raw["state"]),
            handled=raw["handled"],
            outbox=tuple(Envelope.from_document(entry) for entry in raw["outbox"]),
            attention_since=raw["attention_since"],
            history=tuple(Transition.from_document(entry) for entry in raw["history"]),
        )

    async def write(self, new: Stored[ModelT], *, now: datetime, due_at: datetime | None) -> bool:
        self._ask()
        if self._kept.get(new.id, {"version": 0})["version"] != new.version - 1:
            return False
        self._kept[new.id] = {
            "version": new.version,
            "state": new.state.model_dump_json(),
            "handled": new.handled,
            "attention_since": new.attention_since,
            "outbox": [envelope.to_document() for envelope in new.outbox],
            "history": [transition.to_document() for transition in new.history],
            "due_at": due_at,
        }
        return True

    async def ids_due(self, now: datetime, limit: int) -> list[str]:
        self._ask()
        due = ((document_id, raw["due_at"]) for document_id, raw in self._kept.items())
        return [document_id for document_id, at in due if at is not None and at <= now][:limit]

    async def find(self, limit: int, **fields: str) -> list[ModelT]:
        self._ask()
        states = [self._state_type.model_validate_json(raw["state"]) for raw in self._kept.values()]
        return [s for s in states if all(getattr(s, name) == value for name, value in fields.items())][:limit]

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        self._ask()
        states = {name: self._state_type.model_validate_json(raw["state"]) for name, raw in self._kept.items()}
        return [
            name for name, s in states.items() if all(getattr(s, field) == value for field, value in fields.items())
        ][:limit]

    def _ask(self) -> None:
        if self.away:
            raise StoreUnavailableError("asking", OSError("gone"))


class FakeRecords(Generic[ModelT]):
    def __init__(self) -> None:
        self._kept: dict[str, ModelT] = {}

    async def put(self, records: Mapping[str, ModelT]) -> None:
        self._kept |= records

    async def get(self, record_ids: Iterable[str]) -> dict[str, ModelT]:
        return {record_id: self._kept[record_id] for record_id in record_ids if record_id in self._kept}

    async def find(self, **fields: str) -> dict[str, ModelT]:
        return {
            record_id: record
            for record_id, record in self._kept.items()
            if all(getattr(record, name) == value for name, value in fields.items())
        }


class FakeStore:
    """Hands out documents and records, as the real one does, and keeps them by name."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {}

    def documents(self, name: str, state_type: type[ModelT], indexed: tuple[str, ...] = ()) -> FakeDocuments[ModelT]:
        documents: FakeDocuments[ModelT] = self.of.setdefault(name, FakeDocuments(state_type))
        return documents

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> FakeRecords[ModelT]:
        records: FakeRecords[ModelT] = self.of.setdefault(name, FakeRecords())
        return records

    def as_store(self) -> Store:
        return cast(Store, self)
