"""Plain records in the store: reference data, and what operators keep, without version or outbox."""

from collections.abc import Iterable, Mapping
from typing import Any, Generic

from pymongo import ReplaceOne
from pymongo.errors import DuplicateKeyError

from chassis.runtime.metrics import Metrics
from chassis.storage.documents import ModelT
from chassis.storage.driver_errors import translated

_AT_ONCE = 500
"""Records in one write: more of them may take longer than the store's time-out."""


class MongoRecords(Generic[ModelT]):
    """Plain records: read by id or field, replaced as a whole or updated conditionally."""

    def __init__(self, collection: Any, record_type: type[ModelT], indexed: tuple[str, ...], metrics: Metrics) -> None:
        self._collection = collection
        self._record_type = record_type
        self._missing_indexes = list(indexed)
        self._metrics = metrics

    async def _prepare(self) -> None:
        """Create the indexes before this process's first new record."""
        while self._missing_indexes:
            name = self._missing_indexes[-1]
            await self._collection.create_index(name, name=f"{name}_sparse", sparse=True)
            self._missing_indexes = [missing for missing in self._missing_indexes if missing != name]

    async def put(self, records: Mapping[str, ModelT]) -> None:
        """Insert or replace records by id."""
        if not records:
            return
        writes = [
            ReplaceOne({"_id": record_id}, {"_id": record_id, **record.model_dump(mode="json")}, upsert=True)
            for record_id, record in records.items()
        ]
        with translated("putting records"):
            await self._prepare()
            for start in range(0, len(writes), _AT_ONCE):
                await self._collection.bulk_write(writes[start : start + _AT_ONCE], ordered=False)

    async def add(self, record_id: str, record: ModelT) -> bool:
        """Insert a record. False if the id exists; the existing record is not changed.

        It counts as existing only if a majority has it: otherwise it could still be rolled back, and the caller takes
        False for safely stored. Raises StoreUnavailableError in that case.
        """
        with translated("adding a record"):
            try:
                await self._prepare()
                await self._collection.insert_one({"_id": record_id, **record.model_dump(mode="json")})
            except DuplicateKeyError:
                if not await self.get([record_id]):
                    raise
                return False
        return True

    async def change(self, record_id: str, changes: Mapping[str, Any], **only_if: str) -> bool:
        """Set fields of a record whose other fields still have these values. False if they do not: another writer was
        first."""
        with translated("changing a record"):
            result = await self._collection.update_one({"_id": record_id, **only_if}, {"$set": dict(changes)})
        return bool(result.matched_count)

    async def remove(self, record_ids: Iterable[str]) -> int:
        """Delete records permanently. Returns their number."""
        with translated("removing records"):
            result = await self._collection.delete_many({"_id": {"$in": list(record_ids)}})
        return int(result.deleted_count)

    async def remove_if(self, record_id: str, **only_if: str) -> bool:
        """Delete a record whose fields still have these values. False if they do not."""
        with translated("removing a record"):
            result = await self._collection.delete_many({"_id": record_id, **only_if})
        return bool(result.deleted_count)

    async def get(self, record_ids: Iterable[str]) -> dict[str, ModelT]:
        """The records with these ids, by id; unknown ids are left out."""
        ids, found = list(record_ids), dict[str, ModelT]()
        for start in range(0, len(ids), _AT_ONCE):
            found |= await self._find({"_id": {"$in": ids[start : start + _AT_ONCE]}})
        return found

    async def find(self, **fields: str) -> dict[str, ModelT]:
        """The records whose fields have these values, by id."""
        return await self._find(fields)

    async def between(self, field: str, least: str, below: str | None = None) -> dict[str, ModelT]:
        """The records whose field is at least the first and below the second text (None: unbounded), by id."""
        bounds = {"$gte": least} if below is None else {"$gte": least, "$lt": below}
        return await self._find({field: bounds})

    async def ids_below(self, field: str, below: str, limit: int) -> list[str]:
        """The ids of records whose field is below a text, the least first. The records themselves are not read."""
        with translated("listing records"):
            cursor = self._collection.find({field: {"$lt": below}}, projection={field: 1}).sort(field, 1).limit(limit)
            return [raw["_id"] async for raw in cursor]

    async def count(self, **fields: str) -> int:
        """The number of records whose fields have these values."""
        with translated("counting records"):
            return int(await self._collection.count_documents(fields))

    async def oldest(self, by: str, **fields: str) -> tuple[int, ModelT | None]:
        """The number of records with these values, and the one with the least value of another field."""
        with translated("counting records"):
            raw = await self._collection.find_one(fields, sort=[(by, 1)])
            number = await self._collection.count_documents(fields) if raw is not None else 0
        return number, self._record_type.model_validate(raw) if raw is not None else None

    async def _find(self, query: Mapping[str, Any]) -> dict[str, ModelT]:
        self._metrics.store_round_trips.labels(self._metrics.service, "read").inc()
        with translated("reading records"):
            return {raw["_id"]: self._record_type.model_validate(raw) async for raw in self._collection.find(query)}
