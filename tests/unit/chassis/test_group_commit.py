"""Group commit: what is sent together, and whose a failure is. That guards hold is tested on stores."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError, NetworkTimeout, OperationFailure, WriteConcernError

from chassis.storage.group_commit import GroupCommit


class Collection:
    """Holds every round trip until it is let go, and answers it as the test says."""

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.underway, self.may_go = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None

    async def insert_one(self, document: Mapping[str, Any]) -> None:
        await self._trip([document["_id"]])

    async def replace_one(self, query: Mapping[str, Any], document: Mapping[str, Any]) -> SimpleNamespace:
        await self._trip([document["_id"]])
        return SimpleNamespace(matched_count=1)

    async def bulk_write(self, writes: Sequence[InsertOne[Any] | ReplaceOne[Any]], *, ordered: bool) -> SimpleNamespace:
        await self._trip([write._doc["_id"] for write in writes])
        return SimpleNamespace(matched_count=sum(isinstance(write, ReplaceOne) for write in writes))

    async def _trip(self, ids: list[str]) -> None:
        self.trips.append(ids)
        self.underway.set()
        await self.may_go.wait()
        if self.failure is not None and len(ids) > 1:
            raise self.failure


def document(name: str, version: int = 1, **fields: Any) -> dict[str, Any]:
    return {"_id": name, "version": version, **fields}


class Group:
    def __init__(self) -> None:
        self.collection = Collection()
        self.counted = 0
        self._commit = GroupCommit(self.collection, self._count)

    def _count(self) -> None:
        self.counted += 1

    def write(self, *documents: Mapping[str, Any]) -> list["asyncio.Task[bool]"]:
        return [asyncio.ensure_future(self._commit.write(each)) for each in documents]

    async def outcomes(self, tasks: Sequence["asyncio.Task[bool]"]) -> list[bool | BaseException]:
        self.collection.may_go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)


async def once_underway(group: Group) -> list["asyncio.Task[bool]"]:
    """A write that is on its way alone."""
    first = group.write(document("first"))
    await group.collection.underway.wait()
    return first


async def test_a_write_alone_leaves_at_once_and_those_that_come_meanwhile_leave_together() -> None:
    group = Group()
    tasks = await once_underway(group)
    tasks += group.write(document("a"), document("b", 2), document("c", 5))

    assert await group.outcomes(tasks) == [True] * 4
    assert group.collection.trips == [["first"], ["a", "b", "c"]]
    assert group.counted == 2


async def test_no_more_than_fifty_leave_together() -> None:
    group = Group()
    tasks = await once_underway(group)
    tasks += group.write(*(document(f"d{number}") for number in range(120)))

    await group.outcomes(tasks)

    assert [len(trip) for trip in group.collection.trips] == [1, 50, 50, 20]


async def test_the_next_write_after_all_are_back_leaves_at_once_again() -> None:
    group = Group()
    await group.outcomes(await once_underway(group))

    assert await group.outcomes(group.write(document("second"))) == [True]
    assert group.collection.trips == [["first"], ["second"]]


async def test_a_document_that_cannot_be_stored_is_no_error_of_its_neighbours() -> None:
    group = Group()
    tasks = await once_underway(group)
    tasks += group.write(document("a"), document("bad", 2, number=2**70), document("c"))

    first, a, bad, c = await group.outcomes(tasks)

    assert (first, a, c) == (True, True, True)
    assert isinstance(bad, OverflowError)


async def test_a_large_document_goes_alone() -> None:
    group = Group()
    tasks = await once_underway(group)
    tasks += group.write(document("a"), document("large", 2, text="x" * 2**20), document("c"))

    assert await group.outcomes(tasks) == [True] * 4
    assert sorted(group.collection.trips) == [["a", "c"], ["first"], ["large"]]


async def test_each_writer_gets_the_error_of_its_own_write() -> None:
    group = Group()
    errors = [{"index": 0, "code": 11000, "errmsg": "E11000"}, {"index": 2, "code": 121, "errmsg": "invalid"}]
    group.collection.failure = BulkWriteError({"writeErrors": errors, "writeConcernErrors": [], "nMatched": 1})
    tasks = await once_underway(group)
    tasks += group.write(document("a"), document("b", 2), document("c", 3), document("d"))

    first, a, b, c, d = await group.outcomes(tasks)

    assert (first, a, b, d) == (True, False, True, True)
    assert isinstance(c, OperationFailure)
    assert c.code == 121


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (NetworkTimeout("timed out"), NetworkTimeout),
        (
            BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"errmsg": "no majority"}], "nMatched": 1}),
            WriteConcernError,
        ),
        (RuntimeError("a bug"), RuntimeError),
    ],
)
async def test_what_is_not_acknowledged_fails_for_every_writer_of_the_round_trip_and_for_no_other(
    failure: Exception, raised: type[Exception]
) -> None:
    group = Group()
    group.collection.failure = failure
    tasks = await once_underway(group)
    tasks += group.write(document("a"), document("b", 2))

    first, *others = await group.outcomes(tasks)

    assert first is True
    assert [type(other) for other in others] == [raised] * 2
    group.collection.failure = None
    assert await group.outcomes(group.write(document("c"))) == [True]


async def test_a_writer_that_is_cancelled_while_it_waits_sends_nothing_and_holds_up_no_other() -> None:
    group = Group()
    tasks = await once_underway(group)
    a, b = group.write(document("a"), document("b"))
    await asyncio.sleep(0)

    a.cancel()

    first, cancelled, other = await group.outcomes([*tasks, a, b])
    assert (first, other) == (True, True)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert group.collection.trips == [["first"], ["b"]]
