"""A store in memory: versioned documents with guarded writes, and plain records.

Values travel through JSON and back, as they do through a real store. tests/contracts/test_documents.py holds it to what
the real one does.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Generic, cast

from pydantic_core import to_jsonable_python

from chassis.decision import StateT
from chassis.errors import StoreUnavailableError
from chassis.runtime.clock import SharedClock
from chassis.storage.documents import ModelT
from chassis.storage.parked_outbox import PARKED_SINCE, ParkedOutbox
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored, document_of, state_of, stored_of

Raw = dict[str, Any]


class FakeDocuments(Generic[StateT]):
    def __init__(self, state_type: type[StateT]) -> None:
        self._state_type = state_type
        self.raw: dict[str, Raw] = {}
        self.away = False
        self.parked = ParkedOutbox(_Collection(self), "test", lambda _doing, _kind: nullcontext())

    async def prepare(self) -> None:
        """There are no indexes."""

    async def load(self, document_id: str) -> Stored[StateT] | None:
        self._ask()
        raw = self.raw.get(document_id)
        return stored_of(raw, self._state_type) if raw else None

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        self._ask()
        if self.raw.get(new.id, {"version": 0})["version"] != new.version - 1:
            return False
        self.raw[new.id] = _in_milliseconds(document_of(new, now, due_at))
        return True

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        self._ask()
        for document_id, version in sent.items():
            raw = self.raw.get(document_id)
            if raw is not None and raw["version"] == version:
                raw["outbox"] = []
                raw.pop("unsent_since", None)

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        return [raw["_id"] for raw in self._by("unsent_since", lambda at: at < before)][:limit]

    async def unsent_since(self, before: datetime) -> tuple[int, datetime | None]:
        return self._oldest("unsent_since", before)

    async def parked_since(self, before: datetime) -> tuple[int, datetime | None]:
        return self._oldest(PARKED_SINCE, before)

    async def attention_since(self, before: datetime, **fields: Any) -> tuple[int, datetime | None]:
        return self._oldest("attention_since", before, fields)

    async def mark_attention(self, now: datetime, **fields: str) -> None:
        for raw in self._matching(fields):
            raw.setdefault("attention_since", now)

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        due = self._by("due_at", lambda at: at <= now)
        return {raw["_id"]: raw["version"] for raw in due[:limit]}

    async def needing_attention(self, limit: int, **fields: str) -> list[tuple[datetime, StateT]]:
        found = self._by("attention_since", lambda _: True, fields)[:limit]
        return [(raw["attention_since"], state_of(raw, self._state_type)) for raw in found]

    async def find(self, limit: int, **fields: str) -> list[StateT]:
        return await self.newest(limit, None, **fields)

    async def newest(self, limit: int, since: datetime | None = None, **fields: str) -> list[StateT]:
        found = [raw for raw in self._matching(fields) if since is None or _created(raw) >= to_jsonable_python(since)]
        return [state_of(raw, self._state_type) for raw in sorted(found, key=_created, reverse=True)[:limit]]

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        return [raw["_id"] for raw in self._matching(fields)][:limit]

    async def ids(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        waiting: bool = False,
        scheduled: bool = False,
        **fields: str,
    ) -> AsyncIterator[str]:
        for document_id in self._ids(since, until, fields):
            raw = self.raw[document_id]
            if (not waiting or "attention_since" in raw) and (not scheduled or "due_at" in raw):
                yield document_id

    async def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]:
        for document_id in self._ids(since, None, fields):
            yield document_id

    def _ids(self, since: datetime | None, until: datetime | None, fields: Mapping[str, str]) -> Iterable[str]:
        for raw in self._matching(fields):
            is_within = (since is None or _created(raw) >= to_jsonable_python(since)) and (
                until is None or _created(raw) < to_jsonable_python(until)
            )
            if is_within:
                yield raw["_id"]

    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]:
        found = [raw for raw in self._matching({}) if raw["_id"] in document_ids]
        return [(raw.get("attention_since"), state_of(raw, self._state_type)) for raw in found]

    def _matching(self, fields: Mapping[str, Any]) -> list[Raw]:
        self._ask()
        return [
            raw
            for raw in self.raw.values()
            if all(_holds(raw["state"].get(name), wanted) for name, wanted in fields.items())
        ]

    def _by(self, field: str, wanted: Callable[[datetime], bool], fields: Mapping[str, Any] | None = None) -> list[Raw]:
        found = [raw for raw in self._matching(fields or {}) if field in raw and wanted(raw[field])]
        return sorted(found, key=lambda raw: raw[field])

    def _oldest(
        self, field: str, before: datetime, fields: Mapping[str, Any] | None = None
    ) -> tuple[int, datetime | None]:
        found = self._by(field, lambda at: at < before, fields)
        return len(found), found[0][field] if found else None

    def _ask(self) -> None:
        if self.away:
            raise StoreUnavailableError("asking", OSError("gone"))


def _in_milliseconds(value: Any) -> Any:
    """As BSON holds it: times have milliseconds."""
    match value:
        case dict():
            return {name: _in_milliseconds(each) for name, each in value.items()}
        case list():
            return [_in_milliseconds(each) for each in value]
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case _:
            return value


def _created(raw: Raw) -> str:
    return str(raw["state"].get("created_at", ""))


def _holds(value: object, wanted: object) -> bool:
    return value != wanted["$ne"] if isinstance(wanted, dict) else value == wanted


class _Collection:
    """As much of MongoDB's as parking asks for, over the documents of a fake."""

    def __init__(self, documents: FakeDocuments[Any]) -> None:
        self._documents = documents

    async def find_one(self, query: Mapping[str, Any]) -> Raw | None:
        raw = self._documents.raw.get(query["_id"])
        return dict(raw) if raw and query.get("version", raw["version"]) == raw["version"] else None

    def find(self, query: Mapping[str, Any], projection: Mapping[str, Any]) -> "_Cursor":
        return _Cursor([raw for raw in self._documents.raw.values() if PARKED_SINCE in raw])

    async def update_one(self, query: Mapping[str, Any], change: Mapping[str, Any]) -> SimpleNamespace:
        raw = await self.find_one(query)
        if raw is None:
            return SimpleNamespace(matched_count=0)
        gone = change.get("$unset", {})
        kept = {name: value for name, value in raw.items() if name not in gone}
        self._documents.raw[query["_id"]] = kept | change["$set"]
        return SimpleNamespace(matched_count=1)


class _Cursor:
    def __init__(self, found: list[Raw]) -> None:
        self._found = found

    def sort(self, field: str, _direction: int) -> "_Cursor":
        return _Cursor(sorted(self._found, key=lambda raw: raw[field]))

    async def __aiter__(self) -> AsyncIterator[Raw]:
        for raw in self._found:
            yield raw


class FakeRecords(Generic[ModelT]):
    def __init__(self) -> None:
        self._kept: dict[str, ModelT] = {}

    async def put(self, records: Mapping[str, ModelT]) -> None:
        self._kept |= records

    async def add(self, record_id: str, record: ModelT) -> bool:
        return self._kept.setdefault(record_id, record) is record

    async def change(self, record_id: str, changes: Mapping[str, Any], **only_if: str) -> bool:
        known = self._kept.get(record_id)
        if known is None or any(getattr(known, name) != value for name, value in only_if.items()):
            return False
        self._kept[record_id] = known.model_copy(update=dict(changes))
        return True

    async def remove(self, record_ids: Iterable[str]) -> int:
        return sum(self._kept.pop(record_id, None) is not None for record_id in record_ids)

    async def oldest(self, by: str, **fields: str) -> tuple[int, ModelT | None]:
        found = list((await self.find(**fields)).values())
        return len(found), min(found, key=lambda record: str(getattr(record, by)), default=None)

    async def get(self, record_ids: Iterable[str]) -> dict[str, ModelT]:
        return {record_id: self._kept[record_id] for record_id in record_ids if record_id in self._kept}

    async def find(self, **fields: str) -> dict[str, ModelT]:
        return {
            record_id: record
            for record_id, record in self._kept.items()
            if all(getattr(record, name) == value for name, value in fields.items())
        }

    async def between(self, field: str, least: str, below: str | None = None) -> dict[str, ModelT]:
        return {
            record_id: record
            for record_id, record in self._kept.items()
            if least <= getattr(record, field) and (below is None or getattr(record, field) < below)
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


def ask(state: StateT | None, question: Callable[[StateT | None, datetime], Any], now: datetime) -> Any:
    """A decision function whose messages decide for themselves: for write paths that tests drive."""
    return question(state, now)
