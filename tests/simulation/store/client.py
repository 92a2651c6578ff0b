"""What stands for motor's client: as much of its interface as chassis/storage/store.py uses."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar

from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from tests.simulation.store.queries import Document
from tests.simulation.store.server import Collection, Concern, StoreServer

T = TypeVar("T")

STORE: ContextVar[StoreServer] = ContextVar("the simulated store")
"""What the processes of a simulation connect to."""

_ASK_AGAIN_AFTER = 0.5
_INDEX_NOT_FOUND = 27


class _DownError(Exception):
    """The server refuses connections; the driver looks for another until its time is over."""


@dataclass(frozen=True, slots=True)
class Result:
    matched_count: int = 0
    deleted_count: int = 0


class SimulatedClient:
    """One process's client."""

    def __init__(self, _url: str, *, serverSelectionTimeoutMS: int, **_options: Any) -> None:  # noqa: N803
        self.server = STORE.get()
        self.timeout = serverSelectionTimeoutMS / 1000
        self.admin = self

    def get_database(
        self, name: str, *, read_preference: Any, read_concern: Any, write_concern: Any, **_options: Any
    ) -> "_Database":
        written = write_concern.document
        concern = Concern(
            is_durable=written.get("w") == "majority" and bool(written.get("j")),
            is_at_primary=read_preference.mongos_mode == "primary",
            is_of_majority=read_concern.level in ("majority", "linearizable"),
        )
        return _Database(self, name, concern)

    async def command(self, name: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            return {"ok": 1, "localTime": datetime.fromtimestamp(self.server.loop.unix_time(), UTC)}

        return await self.run(answer)

    def close(self) -> None:
        """Nothing is open."""

    async def run(self, serve: Callable[[], T]) -> T:
        """Let the server do this, and wait for its answer. Raises the driver's errors."""
        server, wire = self.server, self.server.wire
        fate = server.random.random() if server.lost or server.unanswered else 1.0
        if fate < server.lost:
            await wire.fail(self.timeout, NetworkTimeout("timed out"))
        if fate < server.lost + server.unanswered:
            wire.ask(_unless_down(server, serve)).add_done_callback(_seen)
            await wire.fail(self.timeout, NetworkTimeout("timed out"))
        until = server.loop.time() + self.timeout
        while True:
            try:
                return await wire.ask(_unless_down(server, serve))
            except _DownError as down:
                if server.loop.time() > until:
                    raise ServerSelectionTimeoutError("connection refused") from down
                await asyncio.sleep(_ASK_AGAIN_AFTER)


def _unless_down(server: StoreServer, serve: Callable[[], T]) -> Callable[[], T]:
    def served() -> T:
        if not server.is_up:
            raise _DownError
        return serve()

    return served


def _seen(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


@dataclass(frozen=True, slots=True)
class _Database:
    client: SimulatedClient
    name: str
    concern: Concern

    def __getitem__(self, collection: str) -> "SimulatedCollection":
        return SimulatedCollection(self.client, self.client.server.collection(self.name, collection), self.concern)


@dataclass(frozen=True, slots=True)
class SimulatedCollection:
    """Every call is one round trip, at whose far end it happens as a whole."""

    client: SimulatedClient
    stored: Collection
    concern: Concern

    @property
    def name(self) -> str:
        return self.stored.name

    async def create_index(self, keys: str | list[tuple[str, int]], **_options: Any) -> None:
        path = keys if isinstance(keys, str) else keys[0][0]
        await self.client.run(lambda: self.stored.create_index(path))

    async def drop_index(self, name: str) -> None:
        def missing() -> None:
            raise OperationFailure(f"index not found with name [{name}]", _INDEX_NOT_FOUND)

        await self.client.run(missing)

    async def find_one(
        self,
        query: Mapping[str, Any],
        projection: Mapping[str, Any] | None = None,
        sort: list[tuple[str, int]] | None = None,
    ) -> Document | None:
        found = await self.find(query, projection).in_order(sort or []).limit(1).fetched()
        return found[0] if found else None

    def find(self, query: Mapping[str, Any], projection: Mapping[str, Any] | None = None) -> "_Cursor":
        return _Cursor(self, query, projection)

    async def count_documents(self, query: Mapping[str, Any]) -> int:
        return await self.client.run(lambda: len(self.stored.find(query, self.concern)))

    async def estimated_document_count(self) -> int:
        return await self.count_documents({})

    async def insert_one(self, document: Document) -> None:
        await self.client.run(lambda: self.stored.insert(document, self.concern))

    async def replace_one(self, query: Mapping[str, Any], document: Document) -> Result:
        return Result(await self.client.run(lambda: self.stored.replace(query, document, self.concern)))

    async def update_one(self, query: Mapping[str, Any], change: Mapping[str, Any], *, upsert: bool = False) -> Result:
        return Result(await self.client.run(lambda: self.stored.update(query, change, self.concern, upsert=upsert)))

    async def update_many(self, query: Mapping[str, Any], change: Mapping[str, Any]) -> Result:
        return Result(await self.client.run(lambda: self.stored.update_all(query, change, self.concern)))

    async def delete_many(self, query: Mapping[str, Any]) -> Result:
        return Result(deleted_count=await self.client.run(lambda: self.stored.delete(query, self.concern)))

    async def bulk_write(
        self, writes: Sequence[InsertOne[Any] | UpdateOne | ReplaceOne[Any]], *, ordered: bool
    ) -> Result:
        """Each write by itself, as MongoDB does: others may come in between, and what ends it leaves a part done."""
        matched, errors = 0, []
        for index, write in enumerate(writes):
            try:
                matched += await self.client.run(self._served(write))
            except DuplicateKeyError as duplicate:
                errors.append({"index": index, "code": duplicate.code, "errmsg": str(duplicate)})
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": [], "nMatched": matched})
        return Result(matched)

    def _inserted(self, document: Document) -> int:
        self.stored.insert(document, self.concern)
        return 0

    def _served(self, write: InsertOne[Any] | UpdateOne | ReplaceOne[Any]) -> Callable[[], int]:
        """What the server does for it, and how many documents matched."""
        document: Any = write._doc
        if isinstance(write, InsertOne):
            return partial(self._inserted, document)
        query: Any = write._filter
        change = self.stored.update if isinstance(write, UpdateOne) else self.stored.replace
        return partial(change, query, document, self.concern, upsert=bool(write._upsert))


@dataclass
class _Cursor:
    collection: SimulatedCollection
    query: Mapping[str, Any]
    projection: Mapping[str, Any] | None
    _order: list[tuple[str, int]] = field(default_factory=list)
    _limit: int = 0

    def sort(self, path: str, direction: int) -> Self:
        return self.in_order([(path, direction)])

    def in_order(self, order: list[tuple[str, int]]) -> Self:
        self._order = order
        return self

    def limit(self, number: int) -> Self:
        self._limit = number
        return self

    async def fetched(self) -> list[Document]:
        of = self.collection
        server = of.client.server
        return await of.client.run(
            lambda: server.answered(
                of.stored,
                self.query,
                of.concern,
                projection=self.projection,
                order=self._order,
                limit=self._limit,
            )
        )

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self.fetched():
            yield document
