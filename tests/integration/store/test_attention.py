"""What needs attention is counted by an index of its own, since when it does, also where an older version wrote it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from chassis.decision import Applied, Decision, State
from chassis.messaging.envelope import Delivery, Envelope
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import Documents
from chassis.storage.store import Store
from chassis.storage.write_path import WritePath
from deploy.local.store import Store as Server
from tests.support.fake_store import ask

NOW = datetime(2027, 2, 1, 12, tzinfo=UTC)


class Ticket(State):
    status: str = "open"
    created_at: datetime = NOW

    @property
    def needs_attention(self) -> bool:
        return self.status == "review"


class _Unconnected:
    async def publish(self, envelope: Envelope) -> None:
        raise AssertionError("nothing is sent here")


def _tickets(server: Server, database: Database[dict[str, Any]]) -> tuple[Store, Documents[Ticket]]:
    store = Store(server.url, database.name, Metrics("tests"), timeout=30)
    return store, store.documents("tickets", Ticket, indexed=("status",))


async def _becomes(path: WritePath[Ticket, Any], ticket_id: str, status: str) -> None:
    def decide(_ticket: Ticket | None, _now: datetime) -> Decision[Ticket]:
        return Applied(Ticket(status=status))

    await path.handle(ticket_id, decide, Delivery(uuid.uuid4().hex, "c", "k"))


async def test_a_document_needs_attention_from_its_first_such_write_until_it_does_not(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    opened, tickets = _tickets(store, database)
    await tickets.prepare()
    times = iter(NOW + timedelta(minutes=minute) for minute in range(100))
    path = WritePath(tickets, _Unconnected(), ask, clock=lambda: next(times))
    later = NOW + timedelta(days=1)

    await _becomes(path, "t1", "open")
    none = await tickets.attention_since(later)
    await _becomes(path, "t1", "review")
    first = await tickets.attention_since(later)
    await _becomes(path, "t1", "review")
    await _becomes(path, "t2", "review")
    both = await tickets.attention_since(later)
    await _becomes(path, "t1", "open")
    rest = await tickets.attention_since(later)

    opened.close()
    assert none == (0, None)
    assert first[0] == 1
    assert both == (2, first[1])
    assert rest[0] == 1
    assert rest[1] is not None
    assert first[1] is not None
    assert rest[1] > first[1]


async def test_what_an_older_version_left_in_review_is_marked_once(
    store: Server, database: Database[dict[str, Any]]
) -> None:
    opened, tickets = _tickets(store, database)
    await tickets.prepare()
    database["tickets"].insert_many(
        {"_id": f"t{number}", "version": 1, "state": {"status": status}}
        for number, status in enumerate(["review", "open", "review"])
    )

    await tickets.mark_attention(NOW, status="review")
    await tickets.mark_attention(NOW + timedelta(hours=1), status="review")

    seen = await tickets.attention_since(NOW + timedelta(days=1))
    opened.close()
    assert seen == (2, NOW)
