"""A store in memory, as far as services use it: versioned documents with guarded writes, and plain records.

Values travel through JSON and back, as they do through a real store.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, cast

from chassis.decision import StateT
from chassis.errors import StoreUnavailableError
from chassis.runtime.clock import SharedClock
from chassis.storage.store import ModelT, Store
from chassis.storage.stored_document import Stored, document_of, state_of, stored_of


class FakeDocuments(Generic[StateT]):
    def __init__(self, state_type: type[StateT]) -> None:
        self._state_type = state_type
        self.raw: dict[str, dict[str, Any]] = {}
        self.away = False

    async def load(self, document_id: str) -> Stored[StateT] | None:
        self._ask()
        raw = self.raw.get(document_id)
        return stored_of(raw, self._state_type) if raw else None

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        self._ask()
        if self.raw.get(new.id, {"version": 0})["version"] != new.version - 1:
            return False
        self.raw[new.id] = document_of(new, now, due_at)
        return True

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        self._ask()
        due = {
            document_id: raw["version"]
            for document_id, raw in self.raw.items()
            if "due_at" in raw and raw["due_at"] <= now
        }
        return dict(list(due.items())[:limit])

    async def find(self, limit: int, **fields: str) -> list[StateT]:
        self._ask()
        states = [state_of(raw, self._state_type) for raw in self.raw.values()]
        return [s for s in states if all(getattr(s, name) == value for name, value in fields.items())][:limit]

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        self._ask()
        states = {name: state_of(raw, self._state_type) for name, raw in self.raw.items()}
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

    async def add(self, record_id: str, record: ModelT) -> bool:
        return self._kept.setdefault(record_id, record) is record

    async def change(self, record_id: str, values: Mapping[str, Any], **expected: Any) -> bool:
        known = self._kept.get(record_id)
        if known is None or any(getattr(known, name) != value for name, value in expected.items()):
            return False
        self._kept[record_id] = known.model_copy(update=dict(values))
        return True

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
        self.clock = SharedClock("the store")

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> FakeDocuments[StateT]:
        documents: FakeDocuments[StateT] = self.of.setdefault(name, FakeDocuments(state_type))
        return documents

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> FakeRecords[ModelT]:
        records: FakeRecords[ModelT] = self.of.setdefault(name, FakeRecords())
        return records

    def as_store(self) -> Store:
        return cast(Store, self)
