"""The store's server: collections, what a crash leaves of them, and what a read may see."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import bson
from bson.codec_options import CodecOptions
from pymongo.errors import DuplicateKeyError

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Latency, Wire
from tests.simulation.store.queries import MISSING, Document, matches, ordered, projected, updated, value_at

_CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True)
_JOURNALED_AFTER = 0.1
"""Seconds until a write that was not waited for is in the journal and on a majority."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What a client asked for, of its writes and of its reads."""

    is_durable: bool = True
    """Writes are acknowledged by a majority and journaled."""
    is_at_primary: bool = True
    is_of_majority: bool = True


@dataclass(slots=True)
class _Former:
    """What a document was before its newest write, and when that was."""

    document: Document | None
    at: float
    is_durable: bool


@dataclass(eq=False)
class Collection:
    """Documents by id, with indexes on fields."""

    server: "StoreServer"
    name: str = ""
    documents: dict[Any, Document] = field(default_factory=dict)
    _indexes: dict[str, dict[Any, dict[Any, None]]] = field(default_factory=dict)
    _former: dict[Any, _Former] = field(default_factory=dict)

    def create_index(self, path: str) -> None:
        if path not in self._indexes:
            index: dict[Any, dict[Any, None]] = {}
            self._indexes[path] = index
            for document in self.documents.values():
                _index(index, path, document)

    def find(self, query: Mapping[str, Any], concern: Concern) -> list[Document]:
        """In no order."""
        candidates = self._candidates(query)
        seen = (self._seen(each, concern) for each in candidates)
        return [document for document in seen if document is not None and matches(document, query)]

    def _candidates(self, query: Mapping[str, Any]) -> Iterable[Any]:
        wanted = query.get("_id", MISSING)
        if isinstance(wanted, Mapping):
            if "$in" in wanted:
                return [each for each in wanted["$in"] if each in self.documents]
        elif wanted is not MISSING:
            return [wanted] if wanted in self.documents else []
        for path, condition in query.items():
            index = self._indexes.get(path)
            if index is None:
                continue
            if not isinstance(condition, Mapping):
                return list(index.get(condition, ()))
            if condition.keys() & {"$lt", "$lte", "$gt", "$gte"} or condition.get("$exists"):
                return [each for ids in index.values() for each in ids]
        return list(self.documents)

    def _seen(self, document_id: Any, concern: Concern) -> Document | None:
        """What a read of this concern sees of a document."""
        now, former = self.server.loop.time(), self._former.get(document_id)
        current = self.documents.get(document_id)
        if former is None:
            return current
        if not concern.is_at_primary and now - former.at < self.server.secondary_lag:
            return former.document
        if concern.is_of_majority and not former.is_durable and now - former.at < _JOURNALED_AFTER:
            return former.document
        return current

    def insert(self, document: Document, concern: Concern) -> None:
        """Raises DuplicateKeyError."""
        if document["_id"] in self.documents:
            raise DuplicateKeyError(f"E11000 duplicate key: {document['_id']}", 11000)
        self._put(document["_id"], document, concern)

    def replace(self, query: Mapping[str, Any], document: Document, concern: Concern, *, upsert: bool = False) -> int:
        """How many matched."""
        found = self._first(query)
        if found is None and not upsert:
            return 0
        self._put(document.get("_id", query["_id"]), {"_id": query["_id"], **document}, concern)
        return int(found is not None)

    def update(self, query: Mapping[str, Any], change: Mapping[str, Any], concern: Concern, *, upsert: bool) -> int:
        found = self._first(query)
        if found is None:
            if upsert:
                self._put(query["_id"], updated({"_id": query["_id"]}, change), concern)
            return 0
        self._put(found["_id"], updated(found, change), concern)
        return 1

    def update_all(self, query: Mapping[str, Any], change: Mapping[str, Any], concern: Concern) -> int:
        found = [self.documents[each] for each in self._candidates(query) if matches(self.documents[each], query)]
        for document in found:
            self._put(document["_id"], updated(document, change), concern)
        return len(found)

    def delete(self, query: Mapping[str, Any], concern: Concern) -> int:
        found = [each for each in self._candidates(query) if matches(self.documents[each], query)]
        for document_id in found:
            self._put(document_id, None, concern)
        return len(found)

    def _first(self, query: Mapping[str, Any]) -> Document | None:
        documents = (self.documents[each] for each in self._candidates(query))
        return next((document for document in documents if matches(document, query)), None)

    def _put(self, document_id: Any, document: Document | None, concern: Concern) -> None:
        before = self.documents.get(document_id)
        self._former[document_id] = self._kept_former(document_id, before, concern)
        self._set(document_id, _as_stored(document) if document is not None else None)
        self.server.on_write(self, document_id, before)

    def _kept_former(self, document_id: Any, before: Document | None, concern: Concern) -> _Former:
        """Of several writes that a crash would take back, the state before the first is what it leaves."""
        now, former = self.server.loop.time(), self._former.get(document_id)
        is_open = former is not None and not former.is_durable and now - former.at < _JOURNALED_AFTER
        if former is not None and is_open and not concern.is_durable:
            return former
        return _Former(before, now, concern.is_durable)

    def _set(self, document_id: Any, document: Document | None) -> None:
        before = self.documents.pop(document_id, None)
        for path, index in self._indexes.items():
            if before is not None and (value := _hashable(value_at(before, path))) is not MISSING:
                index[value].pop(document_id, None)
            if document is not None:
                _index(index, path, document)
        if document is not None:
            self.documents[document_id] = document

    def restore(self, documents: Mapping[Any, Document]) -> None:
        """As `mongorestore --drop` does."""
        for document_id in list(self.documents):
            self._set(document_id, None)
        for document_id, document in documents.items():
            self._set(document_id, document)
        self._former.clear()

    def crash(self) -> None:
        """What was acknowledged without a journal, moments ago, is gone."""
        now = self.server.loop.time()
        for document_id, former in self._former.items():
            if not former.is_durable and now - former.at < _JOURNALED_AFTER:
                self._set(document_id, former.document)
        self._former.clear()


def _index(index: dict[Any, dict[Any, None]], path: str, document: Document) -> None:
    value = _hashable(value_at(document, path))
    if value is not MISSING:
        index.setdefault(value, {})[document["_id"]] = None


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict) else value


class AsStored(Document):
    """A document as the server has it, and how it travels."""

    encoded: bytes


def _as_stored(document: Document) -> AsStored:
    """Through BSON, as every value travels: milliseconds, no tuples, no shared objects."""
    encoded = bson.encode(document)
    stored = AsStored(bson.decode(encoded, _CODEC))
    stored.encoded = encoded
    return stored


def _sent(document: Document, projection: Mapping[str, Any] | None) -> Document:
    """A copy, as a client gets it."""
    if projection is None and isinstance(document, AsStored):
        return bson.decode(document.encoded, _CODEC)
    return bson.decode(bson.encode(projected(document, projection)), _CODEC)


class StoreServer:
    """One replica set, seen from outside."""

    def __init__(self, loop: SimulatedLoop, random: Random, latency: Latency | None = None) -> None:
        self.loop = loop
        self.random = random
        self.wire = Wire(loop, random, latency or Latency())
        self.is_up = True
        self.secondary_lag = 1.0
        self.lost = 0.0
        """How often a request never arrives."""
        self.unanswered = 0.0
        """How often a request is carried out, and its answer never arrives."""
        self.on_write: Callable[[Collection, Any, Document | None], None] = lambda _of, _id, _before: None
        self._databases: dict[tuple[str, str], Collection] = {}

    def collection(self, database: str, name: str) -> Collection:
        return self._databases.setdefault((database, name), Collection(self, name))

    @property
    def collections(self) -> Iterable[Collection]:
        """All that were ever used."""
        return self._databases.values()

    def crash(self, seconds: float) -> None:
        self.is_up = False
        for collection in self._databases.values():
            collection.crash()
        self.loop.call_at(self.loop.time() + seconds, self._restart, context=self.loop.world.context)

    def _restart(self) -> None:
        self.is_up = True

    def answered(
        self,
        of: Collection,
        query: Mapping[str, Any],
        concern: Concern,
        *,
        projection: Mapping[str, Any] | None = None,
        order: list[tuple[str, int]] | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """Copies of the documents that a query finds."""
        found = of.find(query, concern)
        if order:
            found = ordered(found, order)
        elif len(found) > 1:
            self.random.shuffle(found)
        return [_sent(document, projection) for document in found[: limit or None]]
