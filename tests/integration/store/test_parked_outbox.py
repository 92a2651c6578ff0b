"""Messages that the broker refuses for too long wait in their document, moved there and back by one write each."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from chassis.decision import State
from chassis.errors import PublishRefusedError
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from chassis.storage.documents import Documents
from chassis.storage.parked_outbox import Refusal
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from deploy.local.store import Store as Server

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
EXPIRED = OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("gst_1"), property_id=PropertyId("alpenhof"))
REFUSED, OTHER = Envelope(EXPIRED, "t1.1.0", "c1"), Envelope(EXPIRED, "t1.1.1", "c1")
REFUSAL = Refusal(REFUSED, PublishRefusedError(EXPIRED.kind, "events", OSError("ACCESS_REFUSED")), NOW)


@pytest.fixture
async def documents(store: Server, database: Database[dict[str, Any]]) -> AsyncIterator[Documents[State]]:
    opened = Store(store.url, database.name, Metrics("extras-service"), timeout=10)
    documents = opened.documents("things", State)
    await documents.prepare()
    await documents.write(Stored("t1", 1, State(), outbox=(REFUSED, OTHER)), now=NOW, due_at=None)
    yield documents
    opened.close()


async def test_a_parked_message_is_listed_with_its_reason_and_the_outbox_no_longer_counts_as_unsent(
    documents: Documents[State],
) -> None:
    is_parked = await documents.parked.park("t1", 1, [REFUSAL], [], NOW)

    (message,) = await documents.parked.all()
    assert is_parked
    assert (message.document_id, message.envelope.message_id) == ("t1", "t1.1.0")
    assert message.envelope.message.to_wire() == EXPIRED.to_wire()
    assert (message.error_type, message.service) == ("PublishRefusedError", "extras-service")
    assert "ACCESS_REFUSED" in message.error
    assert await documents.parked_since(NOW + timedelta(seconds=1)) == (1, NOW)
    assert await documents.unsent_since(NOW + timedelta(days=1)) == (0, None)


async def test_nothing_is_parked_in_a_document_that_was_changed_meanwhile(documents: Documents[State]) -> None:
    await documents.write(Stored("t1", 2, State(), outbox=(REFUSED, OTHER)), now=NOW, due_at=None)

    assert not await documents.parked.park("t1", 1, [REFUSAL], [], NOW)

    assert await documents.parked.all() == []
    assert await documents.ids_unsent_since(NOW + timedelta(days=1), 10) == ["t1"]


async def test_a_later_write_keeps_what_is_parked_and_one_from_before_it_fails(documents: Documents[State]) -> None:
    old = await documents.load("t1")
    await documents.parked.park("t1", 1, [REFUSAL], [OTHER.message_id], NOW)
    new = await documents.load("t1")
    assert old is not None
    assert new is not None

    was_written = await documents.write(replace(old, version=2), now=NOW, due_at=None)
    is_written = await documents.write(replace(new, version=3, outbox=()), now=NOW, due_at=None)

    assert [envelope.message_id for envelope in new.outbox] == ["t1.1.1"]
    assert (was_written, is_written) == (False, True)
    assert [message.envelope.message_id for message in await documents.parked.all()] == ["t1.1.0"]


async def test_what_was_taken_in_is_gone_from_its_document_and_can_be_put_back(documents: Documents[State]) -> None:
    await documents.parked.park("t1", 1, [REFUSAL], [], NOW)
    (message,) = await documents.parked.all()

    removed = [await documents.parked.remove(message), await documents.parked.remove(message)]
    counted = await documents.parked_since(NOW + timedelta(days=1))
    put_back = [await documents.parked.put_back("t1", message.envelope, NOW) for _ in range(2)]
    of_nothing = await documents.parked.put_back("t2", message.envelope, NOW)

    assert removed == [True, False]
    assert counted == (0, None)
    assert (put_back, of_nothing) == ([True, True], False)
    stored = await documents.load("t1")
    assert stored is not None
    assert [envelope.message_id for envelope in stored.outbox] == ["t1.1.0"]
    assert await documents.ids_unsent_since(NOW + timedelta(seconds=1), 10) == ["t1"]
