"""The document store: one MongoDB document is the unit of consistency.

A document carries its state, the ids of the newest messages it has handled, its outbox, and its newest transitions, so
that state, outgoing messages, de-duplication and history commit in one atomic write, guarded by the version it was
decided on.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Generic, Literal, Self

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic_core import to_jsonable_python
from pymongo import ReadPreference, UpdateOne, WriteConcern
from pymongo.errors import NetworkTimeout, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from chassis.decision import StateT
from chassis.errors import StoreUnavailableError
from chassis.runtime import tracing
from chassis.runtime.background import Loop
from chassis.runtime.clock import SYNC_EVERY, SharedClock
from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics
from chassis.runtime.tracing import Kind
from chassis.storage.documents import Listed, ModelT, Position
from chassis.storage.driver_errors import translated
from chassis.storage.group_commit import GroupCommit
from chassis.storage.parked_outbox import PARKED_SINCE, ParkedOutbox
from chassis.storage.records import MongoRecords
from chassis.storage.settings import DocumentSettings
from chassis.storage.stored_document import Stored, document_of, state_of, stored_of
from chassis.storage.windows import Windows

_SWEPT = ("unsent_since", "due_at", "attention_since", PARKED_SINCE)
"""Fields that sweeps query. A document that needs no sweep lacks them, and so has no entry in the sparse indexes."""

_STATE = {"schema": 1, "state": 1, "attention_since": 1}
"""What reading a state takes."""

_SECOND = timedelta(seconds=1)
_LISTED = 100
"""Documents per window of a list."""
_PAGE = 500
"""Documents per page when reading all."""
_MOST = 2 * _PAGE
"""Documents in one answer: after months without orders, the next window may be full of them."""

_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND = 26, 27

# An acknowledged write that is not journaled can be lost to a kill of the server.
_DURABLE = WriteConcern(w="majority", j=True)
# Decisions need neither stale reads from a secondary nor writes that may still be rolled back.
_MAJORITY = ReadConcern("majority")


@dataclass(frozen=True, slots=True)
class StoreServer:
    """What a document store says of itself."""

    version: str
    time: datetime


class Store:
    """One process's connection to the document store."""

    def __init__(self, url: str, database: str, metrics: Metrics, *, timeout: float) -> None:
        milliseconds = int(timeout * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            url,
            tz_aware=True,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            appname=metrics.service,
        )
        # Set here, they override options in the address.
        self._database = self._client.get_database(
            database,
            codec_options=CodecOptions(tz_aware=True),
            read_preference=ReadPreference.PRIMARY,
            read_concern=_MAJORITY,
            write_concern=_DURABLE,
        )
        self._metrics = metrics
        self._opened: dict[
            str, MongoDocuments[Any]
        ] = {}  # by collection: the operator's page opens them again and again
        self.clock = SharedClock("the document store")
        """The store's time, used by all services with documents in it."""

    @classmethod
    def of(cls, settings: DocumentSettings, metrics: Metrics) -> Self:
        return cls(
            settings.mongodb_url.get_secret_value(), settings.mongodb_database, metrics, timeout=settings.store_timeout
        )

    def checks(self) -> dict[str, Check]:
        """Readiness check: the store answers."""

        async def store() -> str | None:
            return None if await self.is_available() else "the document store does not answer"

        return {"store": store}

    async def sync_clock(self) -> None:
        """Set the clock to the store's time. Raises StoreUnavailableError."""
        with translated("asking what time it is"):
            await self.clock.sync(self._server_time)

    async def _server_time(self) -> datetime:
        answer = await self._client.admin.command("hello")
        time: datetime = answer["localTime"]
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    def loop(self) -> Loop:
        return Loop("clock of the store", SYNC_EVERY, self.sync_clock)

    async def is_available(self) -> bool:
        """Whether the store currently answers."""
        try:
            await self._client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    async def require_writes(self) -> None:
        """Make one cheap durable write as a test. Raises StoreUnavailableError if the store refuses it."""
        with translated("checking that it takes writes"):
            await self._database["write_checks"].update_one({"_id": "check"}, {"$inc": {"count": 1}}, upsert=True)

    async def server(self) -> StoreServer:
        """What the server says of itself. Raises StoreUnavailableError."""
        with translated("asking what it is"):
            built = await self._client.admin.command("buildInfo")
            now = await self._server_time()
        return StoreServer(version=str(built.get("version")), time=now)

    async def missing_indexes(self) -> tuple[str, ...]:
        """Indexes of the documents opened here that a service creates at its start, and that are not there.

        Raises StoreUnavailableError.
        """
        missing: list[str] = []
        for documents in self._opened.values():
            missing += await documents.missing_indexes()
        return tuple(missing)

    def close(self) -> None:
        self._client.close()

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> "MongoDocuments[StateT]":
        """The documents of one aggregate. `indexed` names fields of the state that are queried: each alone or, joined
        by `+`, several together, always with a range of `created_at`."""
        documents = MongoDocuments(self._database[name], state_type, indexed, self._metrics)
        self._opened[name] = documents
        return documents

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> MongoRecords[ModelT]:
        """Plain records without version or outbox, for reference data. `indexed` names the fields of queries."""
        return MongoRecords(self._database[name], record_type, indexed, self._metrics)


def _keys_of(names: str) -> list[tuple[str, int]]:
    """The fields of an index of the state, with their directions."""
    return [*((f"state.{name}", 1) for name in names.split("+")), ("state.created_at", -1)]


class MongoDocuments(Generic[StateT]):
    """Versioned documents with an outbox."""

    def __init__(self, collection: Any, state_type: type[StateT], indexed: tuple[str, ...], metrics: Metrics) -> None:
        self._collection = collection
        self._state_type = state_type
        self._indexed = indexed
        self._metrics = metrics
        self._writes = GroupCommit(collection, metrics.store_round_trips.labels(metrics.service, "write").inc)
        self.parked = ParkedOutbox(collection, metrics.service, self._asked)
        """Messages that the broker has refused for too long."""

    async def prepare(self) -> None:
        """Create the indexes. Safe to call at every start, also while older versions run.

        The sweeps' indexes are sparse, not partial: SecantusDB never uses a partial index. Their names differ from
        those of older versions, which create partial ones at their start: one name with two definitions would fail.
        """
        async with self._asked("creating indexes", "index"):
            for name in _SWEPT:
                await self._drop_index(f"{name}_1")
                await self._collection.create_index(name, name=f"{name}_sparse", sparse=True)
            for names in self._indexed:
                await self._drop_index(f"state.{names}_1")
                await self._collection.create_index(_keys_of(names))

    async def missing_indexes(self) -> list[str]:
        """Those of `prepare` that are not there, as `collection: index`. Raises StoreUnavailableError."""
        wanted = [f"{name}_sparse" for name in _SWEPT]
        wanted += ["_".join(f"{field}_{order}" for field, order in _keys_of(names)) for names in self._indexed]
        async with self._asked("listing indexes", "read"):
            found = await self._collection.index_information()
        return [f"{self._collection.name}: {name}" for name in wanted if name not in found]

    async def _drop_index(self, name: str) -> None:
        """Drop an index of an older version, if it is there."""
        try:
            await self._collection.drop_index(name)
        except OperationFailure as error:
            if error.code not in (_NAMESPACE_NOT_FOUND, _INDEX_NOT_FOUND):
                raise

    async def load(self, document_id: str) -> Stored[StateT] | None:
        async with self._asked(f"loading {document_id}", "read"):
            raw = await self._collection.find_one({"_id": document_id})
        return stored_of(raw, self._state_type) if raw else None

    async def write(self, new: Stored[StateT], *, now: datetime, due_at: datetime | None) -> bool:
        """Write version n over version n-1 (version 1: insert). False if another writer was first."""
        with self._span("write"), translated(f"writing {new.id}"):
            written = await self._writes.write(document_of(new, now, due_at))
        if written:
            self._metrics.store_writes.labels(self._metrics.service, "state").inc()
        return written

    async def remove(self, stored: Stored[StateT]) -> bool:
        """Delete a document as it was read. False if it has been written since, or messages of it have not left."""
        guard = {"_id": stored.id, "version": stored.version} | ({"life": stored.life} if stored.life else {})
        left = {name: {"$exists": False} for name in ("unsent_since", PARKED_SINCE)}
        async with self._asked(f"deleting {stored.id}", "write"):
            return bool((await self._collection.delete_many(guard | left)).deleted_count)

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        """Clear the outboxes of documents that are still at the version that was sent in full. One round trip."""
        clear = {"$set": {"outbox": []}, "$unset": {"unsent_since": ""}}
        updates = [UpdateOne({"_id": document_id, "version": version}, clear) for document_id, version in sent.items()]
        async with self._asked("clearing outboxes", "clear"):
            await self._collection.bulk_write(updates, ordered=False)
        self._metrics.store_writes.labels(self._metrics.service, "clear").inc(len(updates))

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        """Ids of documents with an outbox older than that time, the oldest first."""
        return [raw["_id"] for raw in await self._swept({"unsent_since": {"$lt": before}}, "unsent_since", limit)]

    async def unsent_since(self, before: datetime) -> tuple[int, datetime | None]:
        """The number of documents with an outbox older than that time, and the time of the oldest."""
        return await self._oldest("unsent_since", before)

    async def attention_since(self, before: datetime, **fields: Any) -> tuple[int, datetime | None]:
        """The number of documents that have needed attention since before that time, and the time of the oldest.

        `fields` are conditions on their states: values, or MongoDB's operators.
        """
        return await self._oldest("attention_since", before, fields)

    async def parked_since(self, before: datetime) -> tuple[int, datetime | None]:
        """The number of documents with messages parked before that time, and the time of the oldest."""
        return await self._oldest(PARKED_SINCE, before)

    async def mark_attention(self, now: datetime, **fields: str) -> None:
        """Mark documents whose state has these values as needing attention, if an older version wrote them without."""
        query = {f"state.{name}": value for name, value in fields.items()} | {"attention_since": {"$exists": False}}
        async with self._asked("marking what needs attention", "write"):
            await self._collection.update_many(query, {"$set": {"attention_since": now}})

    async def _oldest(
        self, field: str, before: datetime, fields: Mapping[str, Any] | None = None
    ) -> tuple[int, datetime | None]:
        conditions = {f"state.{name}": value for name, value in (fields or {}).items()}
        query: dict[str, Any] = {field: {"$lt": before}, **conditions}
        async with self._asked(f"counting by {field}", "health"):
            oldest = await self._collection.find_one(query, projection={field: 1}, sort=[(field, 1)])
            if oldest is None:
                return 0, None
            return await self._collection.count_documents(query), oldest[field]

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        """Documents whose deadline has passed, the most overdue first, with their versions."""
        return {raw["_id"]: raw["version"] for raw in await self._swept({"due_at": {"$lte": now}}, "due_at", limit)}

    async def needing_attention(
        self, limit: int, since: datetime | None = None, /, **fields: str
    ) -> list[tuple[datetime, StateT]]:
        """States that need attention and whose fields have these values, with since when: the oldest first.

        `since`: only those that need it since then or later.
        """
        waiting = {"$exists": True} if since is None else {"$gte": since}
        query = {"attention_since": waiting, **{f"state.{name}": value for name, value in fields.items()}}
        async with self._asked("searching", "read"):
            cursor = self._collection.find(query, projection=_STATE).sort("attention_since", 1).limit(limit)
            return [(raw["attention_since"], state_of(raw, self._state_type)) async for raw in cursor]

    async def find(self, limit: int, **fields: str) -> list[StateT]:
        """States whose fields have these values, the newest first (by `created_at`), where there are few of them."""
        return await self._created(None, None, fields, limit)

    async def swept(self, limit: int, **fields: str) -> list[StateT]:
        """The same for what is read again and again, whatever is ordered: counted as a sweep."""
        return await self._created(None, None, fields, limit, "sweep")

    async def newest(self, limit: int, since: datetime | None = None, **fields: str) -> list[StateT]:
        """The same where there may be any number, none created before `since`: read in windows of time.

        The first of `fields` is indexed.
        """
        windows, found = Windows(limit, since), list[StateT]()
        while len(found) < limit and (window := windows.current) is not None:
            page = await self._created(*window, fields, limit - len(found))
            windows.passed(len(page))
            found += page
        return found

    async def _created(
        self,
        since: datetime | None,
        until: datetime | None,
        fields: Mapping[str, str],
        limit: int,
        kind: Literal["read", "sweep"] = "read",
    ) -> list[StateT]:
        async with self._asked("searching", kind):
            cursor = self._collection.find(_created_within(since, until, fields), projection=_STATE)
            return [state_of(raw, self._state_type) async for raw in cursor.sort("state.created_at", -1).limit(limit)]

    async def newest_first(
        self, where: Mapping[str, str | None], *, before: Position | None = None, at_once: bool = False
    ) -> AsyncGenerator[Listed[StateT], None]:
        """Documents whose state has these values (None: or no such field), the newest first, read in windows of time as
        they are consumed.

        `before`: only those behind this one. `at_once`: read all in one query, where there are few of them.
        `where` must name exactly the fields of one index: with one more condition SecantusDB uses none.
        """
        # Times are compared as the texts that are stored, in which a whole second sorts behind its fractions.
        until = datetime.fromisoformat(before.created_at).replace(microsecond=0) + _SECOND if before else None
        windows = Windows(_LISTED, until=until)
        while (window := (None, until) if at_once else windows.current) is not None:
            page = await self._listed_within(where, *window)
            for listed in page:
                if before is None or listed.position < before:
                    yield listed
            if at_once:
                return
            windows.passed(len(page))

    async def _listed_within(
        self, where: Mapping[str, str | None], since: datetime | None, until: datetime | None
    ) -> list[Listed[StateT]]:
        async with self._asked("listing", "read"):
            # Whole documents: to leave out history and handled ids takes SecantusDB twice as long as to send them.
            found = [raw async for raw in self._collection.find(_created_within(since, until, where))]
        placed = [(Position(raw["state"]["created_at"], raw["_id"]), raw) for raw in found]
        return [
            Listed(position, state_of(raw, self._state_type), raw.get("attention_since"))
            for position, raw in sorted(placed, key=itemgetter(0), reverse=True)
        ]

    async def ids_of(self, limit: int, **fields: str) -> list[str]:
        """Ids of documents whose state has these values, at most `limit`, in no order."""
        query = {f"state.{name}": value for name, value in fields.items()}
        async with self._asked("searching", "read"):
            return [raw["_id"] async for raw in self._collection.find(query, projection={"_id": 1}).limit(limit)]

    async def ids_below(self, field: str, below: str, limit: int, **fields: str | None) -> list[str]:
        """Ids of documents whose state has these values (None: or no such field) and a field below a text, the least
        first. `fields` and `field` are the first fields of one index."""
        query: dict[str, Any] = {f"state.{name}": value for name, value in fields.items()}
        query[f"state.{field}"] = {"$lt": below}
        return [raw["_id"] for raw in await self._swept(query, f"state.{field}", limit)]

    async def count(self) -> int:
        """The number of all documents, as the store keeps it: nothing is read for it."""
        async with self._asked("counting", "read"):
            return int(await self._collection.estimated_document_count())

    async def ids(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        waiting: bool = False,
        scheduled: bool = False,
        **fields: str,
    ) -> AsyncIterator[str]:
        """The ids of documents whose state has fields of these values, in no order, where there are few of them.

        `since`, `until`: only of those created then or later, and before. `waiting`: only of those that need attention.
        `scheduled`: only of those with a deadline. The first condition is indexed.
        """
        sets = {"attention_since": waiting, "due_at": scheduled}
        query = {name: {"$exists": True} for name, is_wanted in sets.items() if is_wanted}
        async for document_id in self._listed(query | _created_within(since, until, fields)):
            yield document_id

    async def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]:
        """The same where there may be any number, the newest first: read in windows of time, some hundreds in each.

        The first of `fields` is indexed. A window that holds too much, or that the store does not answer in time, is
        read in parts.
        """
        windows = Windows(_PAGE, since)
        while (window := windows.current) is not None:
            query, most = _created_within(*window, fields), _MOST if windows.can_be_shorter else 0
            try:
                page = [document_id async for document_id in self._listed(query, most)]
            except StoreUnavailableError as error:
                if isinstance(error.__cause__, NetworkTimeout) and windows.can_be_shorter:
                    windows.shorten()
                    continue
                raise
            if most and len(page) == most:
                windows.shorten()
                continue
            windows.passed(len(page))
            for document_id in page:
                yield document_id

    async def _listed(self, query: Mapping[str, Any], most: int = 0) -> AsyncIterator[str]:
        """Ids of what a query finds, at most so many; 0: all."""
        async with self._asked("listing ids", "read"):
            async for raw in self._collection.find(query, projection={"_id": 1}).limit(most):
                yield raw["_id"]

    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]:
        """These documents' states, each with since when it needs attention, in no order. Unknown ids are left out.

        Some hundreds at a time: SecantusDB builds an answer completely before it sends any of it. It finds documents
        by id fast, while reading on from an id takes it as long as reading everything.
        """
        if not document_ids:
            return []
        async with self._asked("reading by ids", "read"):
            cursor = self._collection.find({"_id": {"$in": list(document_ids)}}, projection=_STATE)
            found = [raw async for raw in cursor]
        return [(raw.get("attention_since"), state_of(raw, self._state_type)) for raw in found]

    async def _swept(self, query: Mapping[str, Any], order: str, limit: int) -> list[Mapping[str, Any]]:
        async with self._asked(f"sweeping by {order}", "sweep"):
            cursor = self._collection.find(query, projection={"version": 1}).sort(order, 1).limit(limit)
            return [raw async for raw in cursor]

    @asynccontextmanager
    async def _asked(self, doing: str, kind: str) -> AsyncIterator[None]:
        self._metrics.store_round_trips.labels(self._metrics.service, kind).inc()
        with self._span(kind), translated(doing):
            yield

    def _span(self, operation: str) -> AbstractContextManager[object]:
        """One for each caller: writes of several callers leave in one round trip. No ids, no values."""
        if not tracing.is_on():
            return nullcontext()
        return tracing.inside(
            f"{operation} {self._collection.name}",
            Kind.CLIENT,
            {
                "db.system.name": "mongodb",
                "db.operation.name": operation,
                "db.collection.name": self._collection.name,
            },
        )


def _created_within(since: datetime | None, until: datetime | None, fields: Mapping[str, str | None]) -> dict[str, Any]:
    """A query for states created then or later, and before."""
    query: dict[str, Any] = {f"state.{name}": value for name, value in fields.items()}
    bounds = {"$gte": since, "$lt": until}
    created = {name: to_jsonable_python(bound) for name, bound in bounds.items() if bound is not None}
    return query | {"state.created_at": created} if created else query  # in the state's format
