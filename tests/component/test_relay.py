"""The relay goes on whatever becomes of one document's messages, and nothing that the broker refuses is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.decision import Applied, Decision, Outgoing, State
from chassis.errors import DestinationUnavailableError, PublishFailedError, PublishRefusedError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import OrderExpired, OrderFulfilled
from tests.support.fake_store import FakeDocuments, ask

ABOUT = {"guest_id": GuestId("gst_1"), "property_id": PropertyId("alpenhof")}
REFUSED = OrderExpired(order_id=OrderId("ord_1"), **ABOUT)
WELCOME = OrderFulfilled(order_id=OrderId("ord_1"), **ABOUT)
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class UnsentDocuments(FakeDocuments[State]):
    """Lists every document that has an outbox, however young."""

    def __init__(self) -> None:
        super().__init__(State)
        self.unreadable: set[str] = set()

    async def ids_unsent_since(self, before: datetime, limit: int) -> list[str]:
        return [document_id for document_id, raw in self.raw.items() if raw["outbox"]][:limit]

    async def unsent_since(self, before: datetime) -> tuple[int, datetime | None]:
        return len(self.raw), NOW - timedelta(minutes=1)

    async def load(self, document_id: str) -> Stored[State] | None:
        if document_id in self.unreadable:
            raise ValueError(f"{document_id} cannot be read")
        return await super().load(document_id)


class Broker:
    """Refuses one kind, or is unavailable."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.refuses: str | None = None
        self.refusing: type[PublishRefusedError] = PublishRefusedError
        self.is_available = True
        self.asked = 0

    async def publish(self, envelope: Envelope) -> None:
        self.asked += 1
        if not self.is_available:
            raise PublishFailedError(envelope.kind, "events", TimeoutError())
        if envelope.kind == self.refuses:
            raise self.refusing(envelope.kind, "events", OSError("ACCESS_REFUSED"))
        self.sent.append(envelope.message_id.rpartition(".")[0])  # without its digest


@pytest.fixture
def documents() -> UnsentDocuments:
    return UnsentDocuments()


@pytest.fixture
def broker() -> Broker:
    return Broker()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def path_over(
    documents: UnsentDocuments, broker: Broker, clock: Callable[[], datetime] = lambda: NOW
) -> WritePath[State, Any]:
    """As a process has it that has just started."""
    return WritePath(documents, broker, ask, clock=clock)


async def relayed_for(minutes: int, path: WritePath[State, Any], clock: Clock) -> None:
    """Rounds of the relay, one a minute."""

    def seconds() -> float:
        return clock.now.timestamp()

    path._backoff._now = seconds
    for _ in range(minutes + 1):
        await path.relay()
        clock.now += timedelta(minutes=1)


def in_outbox(documents: UnsentDocuments, document_id: str) -> list[str]:
    return [entry["id"].rpartition(".")[0] for entry in documents.raw[document_id]["outbox"]]


def parked_in(documents: UnsentDocuments, document_id: str) -> list[str]:
    return [entry["id"].rpartition(".")[0] for entry in documents.raw[document_id].get("parked", ())]


async def decided(path: WritePath[State, Any], document_id: str, *messages: Outgoing, message_id: str = "m1") -> str:
    def decide(state: State | None, now: datetime) -> Decision[State]:
        return Applied(State(), messages)

    return (await path.handle(document_id, decide, Delivery(message_id, "c1", "test"))).outcome.name


async def crashed_with(documents: UnsentDocuments, *document_ids: str) -> None:
    """Documents whose outbox was not sent."""
    deaf = Broker()
    deaf.is_available = False
    for document_id in document_ids:
        with pytest.raises(PublishFailedError):
            await decided(path_over(documents, deaf), document_id, REFUSED, WELCOME)


async def test_a_message_that_is_refused_again_and_again_fills_no_log(
    documents: UnsentDocuments, broker: Broker
) -> None:
    broker.refuses, broker.refusing = REFUSED.kind, DestinationUnavailableError
    clock = Clock()
    path = path_over(documents, broker, clock)

    with capture_logs() as lines:
        await decided(path, "ord_1", REFUSED)
        await relayed_for(60, path, clock)

    assert broker.asked > 10
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["outbox.refused"]


async def test_what_follows_a_refused_message_leaves_and_the_refused_one_stays(
    documents: UnsentDocuments, broker: Broker
) -> None:
    broker.refuses = REFUSED.kind
    path = path_over(documents, broker)

    ended = await decided(path, "ord_1", REFUSED, WELCOME)
    await decided(path, "ord_1", WELCOME, message_id="m2")

    assert ended == "applied"
    assert broker.sent == ["ord_1.1.1", "ord_1.2.0"]
    stored = await documents.load("ord_1")
    assert stored is not None
    assert [envelope.message_id.rpartition(".")[0] for envelope in stored.outbox] == ["ord_1.1.0", "ord_1.2.0"]
    problem = await path.checks("orders")["outbox of orders"]()
    assert "ord_1: " in (problem or "")
    assert "ACCESS_REFUSED" in (problem or "")


async def test_a_refused_message_leaves_once_the_broker_takes_it(documents: UnsentDocuments, broker: Broker) -> None:
    broker.refuses = REFUSED.kind
    path = path_over(documents, broker)
    await decided(path, "ord_1", REFUSED, WELCOME)

    broker.refuses = None
    await path.relay()

    assert broker.sent == ["ord_1.1.1", "ord_1.1.0"]


async def test_one_documents_refused_or_unreadable_messages_do_not_end_a_relay_round(
    documents: UnsentDocuments, broker: Broker
) -> None:
    await crashed_with(documents, "ord_1", "ord_2", "ord_3")
    documents.unreadable.add("ord_1")
    broker.refuses = REFUSED.kind

    await path_over(documents, broker).relay()

    assert broker.sent == ["ord_2.1.1", "ord_3.1.1"]


async def test_a_document_that_does_not_leave_is_put_off_for_longer_each_time(
    documents: UnsentDocuments, broker: Broker
) -> None:
    await crashed_with(documents, "ord_1")
    broker.refuses = REFUSED.kind
    path = path_over(documents, broker)
    seconds = count()
    path._backoff._now = lambda: float(next(seconds))

    for _ in range(100):
        await path.relay()

    assert broker.asked < 20


async def test_what_the_broker_refuses_for_five_minutes_is_parked_in_its_document_with_the_reason(
    documents: UnsentDocuments, broker: Broker
) -> None:
    clock = Clock()
    path = path_over(documents, broker, clock)
    broker.refuses = REFUSED.kind
    await decided(path, "ord_1", REFUSED, WELCOME)

    await relayed_for(4, path, clock)
    before = parked_in(documents, "ord_1")
    await relayed_for(2, path, clock)

    raw = documents.raw["ord_1"]
    assert before == []
    assert parked_in(documents, "ord_1") == ["ord_1.1.0"]
    assert raw["outbox"] == []
    assert "unsent_since" not in raw
    (entry,) = raw["parked"]
    assert (entry["error_type"], entry["service"]) == ("PublishRefusedError", "test")
    assert "ACCESS_REFUSED" in entry["error"]
    assert datetime.fromisoformat(entry["parked_at"]) == raw["parked_since"]


async def test_a_parked_message_is_sent_by_no_relay_and_no_later_write_and_is_not_lost_by_one(
    documents: UnsentDocuments, broker: Broker
) -> None:
    clock = Clock()
    path = path_over(documents, broker, clock)
    broker.refuses = REFUSED.kind
    await decided(path, "ord_1", REFUSED)
    await relayed_for(6, path, clock)
    broker.refuses = None

    await decided(path, "ord_1", WELCOME, message_id="m2")
    await decided(path_over(documents, broker, clock), "ord_1", WELCOME, message_id="m3")
    await path_over(documents, broker, clock).relay()

    assert "ord_1.1.0" not in broker.sent
    assert parked_in(documents, "ord_1") == ["ord_1.1.0"]


async def test_a_restart_begins_the_five_minutes_again_and_loses_nothing(
    documents: UnsentDocuments, broker: Broker
) -> None:
    clock = Clock()
    broker.refuses = REFUSED.kind
    path = path_over(documents, broker, clock)
    await decided(path, "ord_1", REFUSED)
    await relayed_for(4, path, clock)

    restarted = path_over(documents, broker, clock)
    await relayed_for(4, restarted, clock)
    unsent = in_outbox(documents, "ord_1")
    await relayed_for(2, restarted, clock)

    assert unsent == ["ord_1.1.0"]
    assert parked_in(documents, "ord_1") == ["ord_1.1.0"]


async def test_a_message_whose_queue_is_missing_or_full_is_never_parked(
    documents: UnsentDocuments, broker: Broker
) -> None:
    clock = Clock()
    path = path_over(documents, broker, clock)
    broker.refuses, broker.refusing = REFUSED.kind, DestinationUnavailableError
    await decided(path, "ord_1", REFUSED)

    await relayed_for(60, path, clock)
    broker.refuses = None
    await relayed_for(1, path, clock)

    assert parked_in(documents, "ord_1") == []
    assert broker.sent == ["ord_1.1.0"]


async def test_parking_one_message_leaves_another_that_is_refused_for_a_shorter_time(
    documents: UnsentDocuments, broker: Broker
) -> None:
    clock = Clock()
    path = path_over(documents, broker, clock)
    broker.refuses = REFUSED.kind
    await decided(path, "ord_1", REFUSED)
    await relayed_for(3, path, clock)
    await decided(path, "ord_1", REFUSED, message_id="m2")

    await relayed_for(3, path, clock)

    assert parked_in(documents, "ord_1") == ["ord_1.1.0"]
    assert in_outbox(documents, "ord_1") == ["ord_1.2.0"]


async def test_a_relay_round_ends_when_the_broker_is_unavailable(documents: UnsentDocuments, broker: Broker) -> None:
    await crashed_with(documents, *(f"ord_{number}" for number in range(20)))
    broker.is_available = False

    with pytest.raises(PublishFailedError):
        await path_over(documents, broker).relay()

    assert broker.asked == 3
