"""What a document remembers of its own changes."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from chassis.decision import Applied, Decision, Duplicate, Ignored, State
from chassis.messaging.envelope import Delivery, Failure, Publisher
from chassis.storage.folding import BLOCKS_KEPT, FOLDED_FROM, LEFT_OPEN
from chassis.storage.history import Transition
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

    @classmethod
    def over(cls, documents: dict[str, dict[str, Any]]) -> "Counters":
        """Of another process, over these documents."""
        counters = cls()
        counters.raw = documents
        return counters

    async def due(self, now: datetime, limit: int) -> dict[str, int]:
        return {"doc_1": 1}

    async def history(self) -> tuple[Transition, ...]:
        stored = await self.load("doc_1")
        return stored.whole_history if stored else ()


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


BLOCK = FOLDED_FROM - LEFT_OPEN


async def handle(counters: Counters, numbers: range) -> None:
    for number in numbers:
        await counters.path.handle("doc_1", count, Delivery(f"m-{number}", "c-1", "test.more.v1"))


async def test_old_changes_are_folded_and_remembered() -> None:
    counters = Counters()

    await handle(counters, range(100))

    assert [transition.message_id for transition in await counters.history()] == [
        f"m-{number}" for number in range(100)
    ]
    raw = counters.raw["doc_1"]
    assert len(raw["history"]) == len(raw["handled"]) < FOLDED_FROM
    assert len(raw["folded"]) == (100 - LEFT_OPEN) // BLOCK


async def test_a_message_whose_change_is_folded_is_a_duplicate() -> None:
    counters = Counters()
    await handle(counters, range(100))

    handled = await counters.path.handle("doc_1", count, Delivery("m-0", "c-1", "test.more.v1"))
    by_another = WritePath(counters, cast(Publisher, None), ask, clock=lambda: NOW)
    again = await by_another.handle("doc_1", count, Delivery("m-30", "c-1", "test.more.v1"))

    assert (handled.outcome, again.outcome) == (Duplicate(), Duplicate())


async def test_of_very_many_changes_the_newest_are_remembered() -> None:
    counters, many = Counters(), 2 * BLOCK * BLOCKS_KEPT

    await handle(counters, range(many))

    history = await counters.history()
    assert BLOCK * BLOCKS_KEPT + LEFT_OPEN <= len(history) < BLOCK * BLOCKS_KEPT + FOLDED_FROM
    assert (history[0].version, history[-1].version) == (many - len(history) + 1, many)


async def test_an_older_version_continues_a_folded_document_and_loses_nothing() -> None:
    counters = Counters()
    await handle(counters, range(50))

    raw = dict(counters.raw["doc_1"])  # 0.2.0 keeps the field that it does not know, and 64 entries of its own lists
    for number in range(50, 90):
        change = Transition(number + 1, NOW, f"m-{number}", "test.more.v1", f"at {number + 1}")
        raw["history"] = [*raw["history"], change.to_document()][-64:]
        raw["handled"] = [*raw["handled"], f"m-{number}"][-64:]
        raw["version"] = number + 1
    raw["state"] = {**raw["state"], "count": 90}
    counters = Counters.over({"doc_1": raw})
    await handle(counters, range(90, 92))

    assert [change.version for change in await counters.history()] == list(range(1, 93))
    assert len(counters.raw["doc_1"]["history"]) < FOLDED_FROM
