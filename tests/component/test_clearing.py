"""Outboxes that were sent are cleared, however many an outage has left."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from chassis.decision import Applied, Decision, State
from chassis.errors import StoreUnavailableError
from chassis.messaging.bus import Bus
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Envelope
from chassis.runtime.background import Loop
from chassis.runtime.document_service import document_service
from chassis.runtime.health import Check
from chassis.runtime.metrics import Metrics
from chassis.runtime.waiting import Waiting
from chassis.storage.settings import StoreSettings
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired
from tests.support.fake_store import FakeDocuments, ask

EMITTED = OrderExpired(order_id=OrderId("ord_1"), guest_id=GuestId("gst_1"), property_id=PropertyId("alpenhof"))
IN_TIME = 60
"""Documents this store clears before its caller stops waiting."""


class SlowDocuments(FakeDocuments[State]):
    """Clears one after the other, like a store whose every write waits for the disk: a second per round trip."""

    def __init__(self) -> None:
        super().__init__(State)
        self.cleared: dict[str, int] = {}
        self.asked = 0
        self.seconds = 0.0

    async def clear_outboxes(self, sent: Mapping[str, int]) -> None:
        if self.away or len(sent) > IN_TIME:
            raise StoreUnavailableError("clearing outboxes", TimeoutError())
        await asyncio.sleep(0)
        self.asked += len(sent)
        self.seconds += 1
        self.cleared |= sent


class OvertakenDocuments(FakeDocuments[State]):
    """A document is cleared while the answer to an earlier read of it is under way."""

    def __init__(self) -> None:
        super().__init__(State)
        self.clears: Callable[[], Awaitable[object]] | None = None
        self.loads = 0

    async def load(self, document_id: str) -> Stored[State] | None:
        self.loads += 1
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


class Still(Bus):
    """A bus that connects to nothing."""

    def __init__(self) -> None:
        super().__init__("amqp://localhost", "test", Metrics("test"), publish_timeout=1, graceful_timeout=1)

    async def connect(self) -> None:
        pass

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class OnTime(Store):
    """A store whose clock needs no server."""

    async def sync_clock(self) -> None:
        pass


class NoParts:
    """A service that only has documents."""

    tables: Mapping[str, Handlers] = {}

    def __init__(self, paths: tuple[WritePath[Any, Any], ...]) -> None:
        self.paths = paths

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        return ()

    def checks(self) -> dict[str, Check]:
        return {}

    def watch(self, waiting: Waiting) -> None:
        pass


def service(paths: tuple[WritePath[Any, Any], ...], graceful_timeout: float) -> Starlette:
    url = "mongodb://localhost"
    given = {"amqp_url": "amqp://localhost", "mongodb_url": url, "graceful_timeout": graceful_timeout}
    settings = StoreSettings.model_validate(given)
    metrics = Metrics("test")
    store = OnTime(url, "test", metrics, timeout=1)
    return document_service(NoParts(paths), Still(), store, metrics, settings, sweep_every=1, before=())


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


async def test_a_service_that_stops_clears_for_its_graceful_time_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = SlowDocuments()
    for module in ("chassis.storage.write_path", "chassis.runtime.document_service"):
        monkeypatch.setattr(f"{module}.monotonic", lambda: documents.seconds)
    paths = tuple(WritePath(documents, Sending(), ask) for _ in range(2))
    for path in paths:
        for number in range(5 * IN_TIME):
            await path.handle(f"ord_{id(path)}_{number}", decide, Delivery("m1", "c1", "test"))
    app = service(paths, graceful_timeout=2.0)

    with capture_logs() as lines:
        async with app.router.lifespan_context(app):
            pass

    assert documents.seconds == 2
    left = [line["documents"] for line in lines if line["event"] == "outbox.uncleared"]
    assert sum(left) == 10 * IN_TIME - len(documents.cleared)


async def test_a_service_that_stops_while_the_store_is_down_still_ends_in_order() -> None:
    documents = SlowDocuments()
    path = WritePath(documents, Sending(), ask)
    await path.handle("ord_1", decide, Delivery("m1", "c1", "test"))
    documents.away = True
    app = service((path,), graceful_timeout=2.0)

    with capture_logs() as lines:
        async with app.router.lifespan_context(app):
            pass

    assert [line["event"] for line in lines] == ["outbox.uncleared"]


async def test_two_clearings_at_once_clear_each_outbox_once() -> None:
    documents = SlowDocuments()
    path = WritePath(documents, Sending(), ask)
    for number in range(IN_TIME):
        await path.handle(f"ord_{number}", decide, Delivery("m1", "c1", "test"))

    await asyncio.gather(path.clear_sent(), path.clear_sent())

    assert documents.asked == len(documents.cleared) == IN_TIME


async def test_the_relay_does_not_read_what_only_waits_to_be_cleared() -> None:
    documents = OvertakenDocuments()
    path = WritePath(documents, Sending(), ask)
    await path.handle("ord_1", decide, Delivery("m1", "c1", "test"))
    before = documents.loads

    await path.relay()

    assert documents.loads == before


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
