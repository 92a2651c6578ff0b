"""Every look at the store that happens often has an index that the server at hand really uses."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from pymongo.database import Database
from pymongo.errors import NetworkTimeout

from chassis.decision import State
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import Documents
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored, document_of
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from deploy.local.store import Store as Server
from tests.support.recorded_commands import Recorder, scans

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MESSAGE = OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("gst_1"), property_id=PropertyId("alpenhof"))


class Thing(State):
    owner: str = ""
    status: str = "new"
    created_at: datetime = NOW


class Note(BaseModel):
    note_id: str
    about: dict[str, str]


@asynccontextmanager
async def opened(server: Server, database: str) -> AsyncIterator[Store]:
    store = Store(server.url, database, Metrics("test"), timeout=10)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def things(server: Server, database: str) -> AsyncIterator[Documents[Thing]]:
    async with opened(server, database) as store:
        yield store.documents("things", Thing, indexed=("owner",))


async def test_an_index_that_is_missing_is_named_once_however_often_its_documents_were_opened(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    async with opened(store, database.name) as kept:
        for _ in range(3):
            documents = kept.documents("things", Thing, indexed=("owner",))
        missing = await kept.missing_indexes()
        await documents.prepare()

        assert "things: state.owner_1_state.created_at_-1" in missing
        assert len(set(missing)) == len(missing)
        assert await kept.missing_indexes() == ()


async def test_every_query_of_documents_is_answered_by_an_index(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    async with things(store, database.name) as documents:
        await documents.prepare()
        outbox = (Envelope(MESSAGE, "t1.1.0", "c1"),)
        for version in (1, 2):
            new = Stored("t1", version, Thing(owner="gst_1"), outbox=outbox, attention_since=NOW)
            await documents.write(new, now=NOW, due_at=NOW)
        later = NOW + timedelta(minutes=1)

        assert await documents.load("t1") is not None
        assert await documents.due(later, 10) == {"t1": 2}
        assert await documents.ids_unsent_since(later, 10) == ["t1"]
        assert await documents.unsent_since(later) == (1, NOW)
        assert await documents.attention_since(later) == (1, NOW)
        assert await documents.parked_since(later) == (0, None)
        assert await documents.parked.all() == []
        assert len(await documents.needing_attention(10, owner="gst_1")) == 1
        assert len(await documents.find(10, owner="gst_1")) == 1
        assert len(await documents.newest(10, NOW, owner="gst_1")) == 1
        assert await documents.ids_of(10, owner="gst_1", status="new") == ["t1"]
        before = to_jsonable_python(later)
        assert await documents.ids_below("created_at", before, 10, owner="gst_1") == ["t1"]
        assert [one async for one in documents.ids(NOW, later, owner="gst_1")] == ["t1"]
        assert [one async for one in documents.ids(owner="gst_1")] == ["t1"]
        assert [one async for one in documents.ids(waiting=True)] == ["t1"]
        assert [one async for one in documents.ids(scheduled=True)] == ["t1"]
        assert [one async for one in documents.all_ids(later, owner="gst_1")] == []
        assert [since for since, _ in await documents.load_many(["t1", "t2"])] == [NOW]
        await documents.clear_outboxes({"t1": 2})

        asked = sent.named("find", "aggregate")
        assert len(asked) >= 19
        assert [command for command in asked if scans(database, command)] == []
        assert all("_id" in update["q"] for command in sent.named("update") for update in command["updates"])


async def test_every_query_of_records_is_answered_by_an_index(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    async with opened(store, database.name) as of_test:
        records = of_test.records("notes", Note, indexed=("note_id", "about.order"))
        await records.add("n1", Note(note_id="n1", about={"order": "ord_1"}))
        await records.put({"n2": Note(note_id="n2", about={"order": "ord_2"})})

        assert set(await records.find(**{"about.order": "ord_2"})) == {"n2"}
        assert set(await records.between("note_id", "n2")) == {"n2"}
        assert set(await records.between("note_id", "n", "n~")) == {"n1", "n2"}
        assert set(await records.get(["n1", "n3"])) == {"n1"}
        assert await records.ids_below("note_id", "n2", 10) == ["n1"]
        assert await records.count(note_id="n2") == 1
        assert await records.change("n1", {"note_id": "n0"}, note_id="n1")
        assert await records.remove_if("n2", note_id="n2")

    asked = sent.named("find", "aggregate")
    assert len(asked) == 6
    assert all("_id" in update["q"] for command in sent.named("update") for update in command["updates"])
    assert all("_id" in delete["q"] for command in sent.named("delete") for delete in command["deletes"])
    assert [command for command in asked if scans(database, command)] == []


MANY = 1_500
EVERY = timedelta(minutes=20)
PAGES = 1_000
"""Documents in one page at most: some hundreds, and twice as many where they become dense."""


async def test_reading_all_of_many_documents_or_the_newest_takes_bounded_pages(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    now = datetime.now(UTC)
    created = {f"t{number}": now - number * EVERY for number in range(MANY)}
    async with things(store, database.name) as documents:
        await documents.prepare()
        database.things.insert_many([_stored(document_id, at) for document_id, at in created.items()])

        everything = [one async for one in documents.all_ids(owner="gst_1")]
        newer = [one async for one in documents.all_ids(created["t30"], owner="gst_1")]
        newest = await documents.newest(100, owner="gst_1")

    assert sorted(everything) == sorted(created)
    assert sorted(newer) == sorted(f"t{number}" for number in range(31))
    assert [thing.created_at for thing in newest] == list(created.values())[:100]
    asked = sent.named("find")
    assert [command for command in asked[:10] if scans(database, command)] == []
    texts = [to_jsonable_python(at) for at in created.values()]
    bounds = [command["filter"]["state.created_at"] for command in asked]
    held = [sum(each.get("$gte", "") <= text < each.get("$lt", "~") for text in texts) for each in bounds]
    assert max(held) < PAGES


async def test_reading_all_of_a_season_that_years_have_passed_since_takes_few_and_bounded_answers(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    season = datetime.now(UTC) - timedelta(days=900)
    created = {f"t{number}": season + number * timedelta(minutes=2) for number in range(MANY)}
    async with things(store, database.name) as documents:
        await documents.prepare()
        database.things.insert_many([_stored(document_id, at) for document_id, at in created.items()])

        assert [one async for one in documents.all_ids(owner="gst_2")] == []
        none = len(sent.named("find"))
        everything = [one async for one in documents.all_ids(owner="gst_1")]

    assert sorted(everything) == sorted(created)
    asked = sent.named("find")
    assert none < 10
    assert len(asked) - none < 40
    assert all(command["limit"] <= PAGES for command in asked)


async def test_more_documents_of_one_second_than_an_answer_holds_are_read_all(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    async with things(store, database.name) as documents:
        await documents.prepare()
        database.things.insert_many([_stored(f"t{number}", NOW) for number in range(MANY)])

        assert len([one async for one in documents.all_ids(owner="gst_1")]) == MANY


def _stored(document_id: str, created_at: datetime) -> dict[str, Any]:
    thing = Thing(owner="gst_1", created_at=created_at)
    return document_of(Stored(document_id, 1, thing), created_at, None)


async def test_a_page_that_the_store_does_not_answer_in_time_is_read_in_parts(
    store: Server, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with things(store, database.name) as documents:
        await documents.prepare()
        await documents.write(Stored("t1", 1, Thing(owner="gst_1", created_at=NOW)), now=NOW, due_at=None)
        find, spans = AsyncIOMotorCollection.find, list[str]()

        def only_short_ones(self: Any, query: Mapping[str, Any], **options: Any) -> Any:
            bounds = query["state.created_at"]
            if "$gte" in bounds and "$lt" in bounds:
                least, below = (datetime.fromisoformat(bounds[name]) for name in ("$gte", "$lt"))
                spans.append(bounds["$gte"])
                if below - least > timedelta(hours=12) and least < NOW < below:
                    raise NetworkTimeout("timed out")
            return find(self, query, **options)

        monkeypatch.setattr(AsyncIOMotorCollection, "find", only_short_ones)

        assert [one async for one in documents.all_ids(owner="gst_1")] == ["t1"]
        assert len(spans) > 2


async def test_a_store_with_the_partial_indexes_of_before_gets_sparse_ones(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    for name in ("unsent_since", "due_at"):
        database.things.create_index(name, partialFilterExpression={name: {"$exists": True}})

    async with things(store, database.name) as documents:
        await documents.prepare()
        await documents.prepare()

    indexes = database.things.index_information()
    assert not any("partialFilterExpression" in index for index in indexes.values())
    assert {name for name, index in indexes.items() if index.get("sparse")} == {
        f"{name}_sparse" for name in ("unsent_since", "due_at", "attention_since", "parked_since")
    }


async def test_an_older_version_starts_beside_the_sparse_indexes(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    async with things(store, database.name) as documents:
        await documents.prepare()

        for name in ("unsent_since", "due_at"):
            database.things.create_index(name, partialFilterExpression={name: {"$exists": True}})

        await documents.prepare()
