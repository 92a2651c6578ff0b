"""What a document remembers of its own changes."""

from datetime import UTC, datetime, timedelta
from typing import cast

from chassis.decision import Applied, Decision, Ignored, State
from chassis.messaging.envelope import Delivery, Failure, Publisher
from chassis.storage.history import HISTORY_KEPT, Transition
from chassis.storage.write_path import WritePath
from tests.support.fake_store import FakeDocuments, ask

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
LATE = Failure("StoreUnavailableError", "the store is gone", "2026-07-01T08:59:59+00:00")


class Counter(State):
    count: int = 0

    @property
    def summary(self) -> str:
        return f"at {self.count}"


def count(state: Counter | None, now: datetime) -> Decision[Counter]:
    counted = (state.count if state else 0) + 1
    return Applied(Counter(count=counted, due_at=now - timedelta(seconds=1)))


def ignore(state: Counter | None, now: datetime) -> Decision[Counter]:
    return Ignored("for no reason")


class Counters(FakeDocuments[Counter]):
    def __init__(self) -> None:
        super().__init__(Counter)
        self.path = WritePath(self, cast(Publisher, None), ask, on_deadline=count, clock=lambda: NOW)

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        return {"doc_1": 1}

    async def history(self) -> tuple[Transition, ...]:
        stored = await self.load("doc_1")
        return stored.history if stored else ()


async def test_every_change_is_kept_with_its_message_and_where_the_document_stood_then() -> None:
    counters = Counters()

    await counters.path.handle("doc_1", count, Delivery("m-1", "c-1", "test.first.v1"))
    await counters.path.handle("doc_1", count, Delivery("m-2", "c-2", "test.second.v1", attempt=3, failure=LATE))

    assert await counters.history() == (
        Transition(1, NOW, "m-1", "test.first.v1", "at 1"),
        Transition(2, NOW, "m-2", "test.second.v1", "at 2", attempt=3, failure=LATE),
    )


async def test_what_changes_nothing_is_no_part_of_it() -> None:
    counters = Counters()
    first = Delivery("m-1", "c-1", "test.first.v1")

    await counters.path.handle("doc_1", count, first)
    await counters.path.handle("doc_1", count, first)
    await counters.path.handle("doc_1", ignore, Delivery("m-2", "c-1", "test.second.v1"))

    assert [transition.message_id for transition in await counters.history()] == ["m-1"]


async def test_a_deadline_is_part_of_it() -> None:
    counters = Counters()
    await counters.path.handle("doc_1", count, Delivery("m-1", "c-1", "test.first.v1"))

    await counters.path.sweep_deadlines()

    assert [transition.kind for transition in await counters.history()] == ["test.first.v1", "deadline"]


async def test_a_deadline_is_named_after_the_version_that_set_it_and_not_after_the_clock() -> None:
    counters = Counters()
    await counters.path.handle("doc_1", count, Delivery("m-1", "c-1", "test.first.v1"))

    await counters.path.sweep_deadlines()

    assert (await counters.history())[-1].message_id == "doc_1.deadline.1"


async def test_only_the_newest_are_kept() -> None:
    counters = Counters()

    for number in range(HISTORY_KEPT + 3):
        await counters.path.handle("doc_1", count, Delivery(f"m-{number}", "c-1", "test.more.v1"))

    history = await counters.history()
    assert (len(history), history[0].version, history[-1].version) == (HISTORY_KEPT, 4, HISTORY_KEPT + 3)
