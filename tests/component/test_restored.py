"""A store restored to an earlier time decides otherwise from there, and its receivers hear of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from chassis.decision import Applied, Decision, Duplicate, State
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.write_path import WritePath
from contracts.message import Event
from tests.support.examples import sample
from tests.support.fake_store import FakeDocuments, ask

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
EXPIRED, CANCELLED, CONFIRMED = (
    cast(Event, sample(f"orders.order-{name}.v1")) for name in ("expired", "cancelled", "confirmed")
)


class Count(State):
    count: int = 0


@dataclass
class Sent:
    envelopes: list[Envelope] = field(default_factory=list)

    async def publish(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)


class Side:
    """A sender or receiver: documents, and the write path of one process after the other."""

    def __init__(self) -> None:
        self.documents = FakeDocuments(Count)
        self.bus = Sent()
        self.start()

    def start(self) -> None:
        self.path = WritePath(self.documents, self.bus, ask, clock=lambda: NOW)

    async def say(self, cause: str, *events: Event) -> list[Envelope]:
        self.bus.envelopes.clear()
        await self.path.handle("ord_1", saying(*events), Delivery(cause, "c-1", "test"))
        return list(self.bus.envelopes)

    async def hear(self, envelope: Envelope) -> str:
        delivery = Delivery(envelope.message_id, "c-1", envelope.kind)
        return (await self.path.handle("rcv_1", saying(), delivery)).outcome.name


def saying(*events: Event) -> Callable[[Count | None, datetime], Decision[Count]]:
    def decide(state: Count | None, now: datetime) -> Decision[Count]:
        return Applied(Count(count=(state or Count()).count + 1), events)

    return decide


async def test_what_a_restored_document_decides_again_is_applied_by_its_receiver() -> None:
    sender, receiver = Side(), Side()
    await sender.say("m-1")
    backup = copy.deepcopy(sender.documents.raw)
    (first,) = await sender.say("m-2", EXPIRED)
    assert await receiver.hear(first) == Applied.name

    sender.documents.raw = backup
    sender.start()
    (second,) = await sender.say("m-3", CONFIRMED)

    assert await receiver.hear(second) == Applied.name


async def test_the_same_cause_that_leads_to_another_decision_after_a_restore_is_applied_too() -> None:
    sender, receiver = Side(), Side()
    await sender.say("m-1")
    backup = copy.deepcopy(sender.documents.raw)
    (first,) = await sender.say("m-2", EXPIRED)
    assert await receiver.hear(first) == Applied.name

    sender.documents.raw = backup
    sender.start()
    (second,) = await sender.say("m-2", CANCELLED)

    assert await receiver.hear(second) == Applied.name


async def test_the_same_decision_for_the_same_cause_after_a_restore_is_a_duplicate() -> None:
    sender, receiver = Side(), Side()
    await sender.say("m-1")
    backup = copy.deepcopy(sender.documents.raw)
    (first,) = await sender.say("m-2", EXPIRED)
    assert await receiver.hear(first) == Applied.name

    sender.documents.raw = backup
    sender.start()
    (second,) = await sender.say("m-2", EXPIRED)

    assert await receiver.hear(second) == Duplicate.name


async def test_a_document_that_is_deleted_and_made_again_reuses_no_id() -> None:
    sender, receiver = Side(), Side()
    (first,) = await sender.say("m-1", EXPIRED)
    assert await receiver.hear(first) == Applied.name

    sender.documents.raw.clear()
    sender.start()
    (second,) = await sender.say("m-1", EXPIRED)

    assert await receiver.hear(second) == Applied.name


async def test_after_a_crash_between_write_and_publish_the_same_id_is_sent() -> None:
    sender = Side()
    (first,) = await sender.say("m-1", EXPIRED)

    sender.start()
    (again,) = await sender.say("m-1", EXPIRED)

    assert again.message_id == first.message_id
