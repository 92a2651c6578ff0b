"""What decisions rest on is read at the primary, from what a majority has, whatever the store's address says."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pymongo.database import Database

from chassis.decision import State
from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored
from deploy.local.store import Store as Server
from tests.support.recorded_commands import Recorder

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEAK = "readPreference=secondaryPreferred&readConcernLevel=local&w=1&journal=false"
AT_THE_PRIMARY = {"primary", "primaryPreferred"}
"""The driver sends the second for the first when the address has directConnection: there is one server to ask."""


class Note(BaseModel):
    text: str = ""


async def test_an_address_that_asks_for_weak_reads_and_writes_gets_strong_ones(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    weakened = Store(
        f"{store.url}{'&' if '?' in store.url else '/?'}{WEAK}", database.name, Metrics("test"), timeout=10
    )
    documents = weakened.documents("things", State, indexed=("created_at",))
    records = weakened.records("notes", Note, indexed=("text",))

    await documents.prepare()
    await documents.write(Stored("t1", 1, State()), now=NOW, due_at=NOW)
    await documents.write(Stored("t1", 2, State()), now=NOW, due_at=NOW)
    await documents.clear_outboxes({"t1": 2})
    await documents.load("t1")
    await documents.due(NOW, 1)
    await documents.ids_unsent_since(NOW, 1)
    await documents.unsent_since(NOW)
    await documents.find(1)
    assert [one async for one in documents.ids()]
    assert await documents.load_many(["t1"])
    await records.put({"n1": Note()})
    assert await records.add("n1", Note()) is False
    await records.change("n1", {"text": "new"})
    await records.get(["n1"])
    await records.find(text="new")
    await records.remove(["n1"])
    await weakened.require_writes()
    weakened.close()

    reads, writes = sent.named("find", "aggregate"), sent.named("insert", "update", "delete")
    assert len(reads) >= 10
    assert len(writes) >= 8
    assert [read for read in reads if read.get("readConcern", {}).get("level") != "majority"] == []
    assert {read.get("$readPreference", {"mode": "primary"})["mode"] for read in reads} <= AT_THE_PRIMARY
    assert [write for write in writes if write.get("writeConcern") != {"w": "majority", "j": True}] == []
