"""The store without a server: the real code on the simulation's collections in memory, each answered at once.

tests/contracts/test_documents.py holds it to what the real one does.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random
from time import monotonic
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from pymongo.errors import AutoReconnect

from chassis.decision import StateT
from chassis.runtime.clock import SharedClock
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import ModelT
from chassis.storage.records import MongoRecords
from chassis.storage.store import MongoDocuments, Store
from tests.simulation.store.client import SimulatedClient, SimulatedCollection
from tests.simulation.store.queries import Document
from tests.simulation.store.server import Collection, Concern, StoreServer

T = TypeVar("T")

_METRICS = Metrics("test")


class _Unshuffled(Random):
    def shuffle(self, x: Any) -> None:
        """What is found stays in the order in which it was written."""


class _AtOnce(SimulatedClient):
    """A client without a network."""

    def __init__(self) -> None:
        self.server = StoreServer(cast(Any, SimpleNamespace(time=monotonic)), _Unshuffled())

    async def run(self, serve: Callable[[], T]) -> T:
        if not self.server.is_up:
            raise AutoReconnect("gone")
        return serve()


def _collection() -> SimulatedCollection:
    client = _AtOnce()
    return SimulatedCollection(client, Collection(client.server), Concern())


class FakeDocuments(MongoDocuments[StateT]):
    def __init__(self, state_type: type[StateT]) -> None:
        self._memory = _collection()
        super().__init__(self._memory, state_type, (), _METRICS)

    async def prepare(self) -> None:
        """There are no indexes."""

    @property
    def raw(self) -> dict[str, Document]:
        """The stored documents by id. A backup of them can be assigned."""
        return self._memory.stored.documents

    @raw.setter
    def raw(self, documents: dict[str, Document]) -> None:
        self._memory.stored.documents = documents

    @property
    def away(self) -> bool:
        """Whether the store is unavailable."""
        return not self._memory.client.server.is_up

    @away.setter
    def away(self, is_away: bool) -> None:
        self._memory.client.server.is_up = not is_away


class FakeStore:
    """Hands out documents and records, as the real one does, and keeps them by name."""

    def __init__(self) -> None:
        self.of: dict[str, Any] = {}
        self.clock = SharedClock("the store")

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> FakeDocuments[StateT]:
        documents: FakeDocuments[StateT] = self.of.setdefault(name, FakeDocuments(state_type))
        return documents

    def records(self, name: str, record_type: type[ModelT], indexed: tuple[str, ...] = ()) -> MongoRecords[ModelT]:
        records: MongoRecords[ModelT] = self.of.setdefault(name, FakeRecords(record_type))
        return records

    @property
    def raw(self) -> dict[str, dict[str, Document]]:
        """All that is stored, by collection and id."""
        return {name: kept.raw for name, kept in self.of.items()}

    def as_store(self) -> Store:
        return cast(Store, self)


class FakeRecords(MongoRecords[ModelT]):
    def __init__(self, record_type: type[ModelT]) -> None:
        self._memory = _collection()
        super().__init__(self._memory, record_type, (), _METRICS)

    @property
    def raw(self) -> dict[str, Document]:
        return self._memory.stored.documents


def ask(state: StateT | None, question: Callable[[StateT | None, datetime], Any], now: datetime) -> Any:
    """A decision function whose messages decide for themselves: for write paths that tests drive."""
    return question(state, now)
