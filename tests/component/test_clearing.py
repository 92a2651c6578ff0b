"""Outboxes that were sent are cleared, however many an outage has left."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import pytest

from chassis.decision import Applied, Decision, State
from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from tests.support.fake_store import FakeDocuments, ask

EMITTED = OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("gst_1"), property_id=PropertyId("alpenhof"))
IN_TIME = 60
"""Documents this store clears before its caller stops waiting."""


class SlowDocuments(FakeDocuments[State]):
    """Clears one after the other, like a store whose every write waits for the disk."""

    def __init__(self) -> None:
        super().__init__(State)
        self.cleared: dict[str, int] = {}

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        if len(sent) > IN_TIME:
            raise StoreUnavailableError("clearing outboxes", TimeoutError())
        self.cleared |= sent


class OvertakenDocuments(FakeDocuments[State]):
    """A document is cleared while the answer to an earlier read of it is under way."""

    def __init__(self) -> None:
        super().__init__(State)
        self.clears: Callable[[], Awaitable[None]] | None = None

    async def load(self, document_id: str) -> Stored[State] | None:
        stored = await super().load(document_id)
        if self.clears is not None:
            await self.clears()
        return stored

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        return list(self.raw)[:limit]


class Sending:
    """A bus that confirms everything."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def publish(self, envelope: Envelope) -> None:
        self.sent.append(envelope.message_id)


def decide(state: State | None, now: datetime) -> Decision[State]:
    return Applied(State(), (EMITTED,))


async def test_what_a_long_outage_left_is_cleared_although_the_store_is_slow() -> None:
    documents = SlowDocuments()
    path = WritePath(documents, Sending(), ask)
    expected = {f"ord_{number}": 1 for number in range(5 * IN_TIME)}
    for document_id in expected:
        await path.handle(document_id, decide, Delivery("m1", "c1", "test"))

    await path.clear_sent()

    assert documents.cleared == expected


async def test_what_is_cleared_while_it_is_being_read_is_not_sent_again_by_the_relay() -> None:
    documents, bus = OvertakenDocuments(), Sending()
    path = WritePath(documents, bus, ask)
    await path.handle("ord_1", decide, Delivery("m1", "c1", "test"))
    documents.clears = path.clear_sent

    await path.relay()

    assert len(bus.sent) == 1


async def test_what_is_cleared_while_it_is_being_read_is_not_sent_again_with_the_next_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chassis.storage.write_path._REMEMBERED", 1)
    documents, bus = OvertakenDocuments(), Sending()
    path = WritePath(documents, bus, ask)
    await path.handle("ord_1", decide, Delivery("m1", "c1", "test"))
    await path.handle("ord_2", decide, Delivery("m1", "c1", "test"))  # in memory it takes the place of the first
    documents.clears = path.clear_sent

    await path.handle("ord_1", decide, Delivery("m2", "c2", "test"))

    assert len(bus.sent) == len(set(bus.sent)) == 3
