"""What a write path decides on: what it remembers, what it guesses, and what it reads when another writer was first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.decision import Applied, Decision, Duplicate, Refused, State
from chassis.errors import ConflictError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage import write_path
from chassis.storage.stored_document import Stored
from chassis.storage.write_path import WritePath
from tests.support.fake_store import FakeDocuments, ask

NOW = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
ROOM = "room_1"


class Room(State):
    guests: int = 0


class Rooms(FakeDocuments[Room]):
    """Counts its reads, and lets another writer be first."""

    def __init__(self) -> None:
        super().__init__(Room)
        self.reads = 0
        self.rivals = 0
        """How many writes another one comes before."""

    async def load(self, document_id: str) -> Stored[Room] | None:
        self.reads += 1
        return await super().load(document_id)

    async def write(self, new: Stored[Room], *, now: datetime, due_at: datetime | None) -> bool:
        if self.rivals:
            self.rivals -= 1
            await super().write(replace(new, state=Room(guests=10), handled=("rival",)), now=now, due_at=due_at)
        return await super().write(new, now=now, due_at=due_at)

    async def guests(self) -> int:
        stored = await super().load(ROOM)
        return stored.state.guests if stored else 0


class Nowhere:
    """A bus for decisions without messages."""

    async def publish(self, envelope: Envelope) -> None:
        raise AssertionError("nothing is sent here")


Move = Callable[[Room | None, datetime], Decision[Room]]


def path_over(rooms: Rooms, **options: Any) -> WritePath[Room, Move]:
    """As one process has it."""
    return WritePath(rooms, Nowhere(), ask, clock=lambda: NOW, **options)


def arrive(room: Room | None, now: datetime) -> Decision[Room]:
    guests = room.guests if room else 0
    return Applied(Room(guests=guests + 1, due_at=now - timedelta(seconds=1)))


def leave_a_full_room(room: Room | None, _now: datetime) -> Decision[Room]:
    if room is None or room.guests < 2:
        raise LookupError("the room is not full")
    return Applied(Room())


def arrive_alone(room: Room | None, _now: datetime) -> Decision[Room]:
    return Refused("taken", "It is taken.") if room is not None and room.guests else Applied(Room(guests=1))


def leave(room: Room | None, _now: datetime) -> Decision[Room]:
    return Applied(Room()) if room is not None and room.guests else Refused("empty", "It is empty.")


def delivery(message_id: str) -> Delivery:
    return Delivery(message_id, "c-1", "test")


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


async def test_a_message_that_fails_on_a_remembered_document_is_decided_on_the_newest() -> None:
    rooms = Rooms()
    here, there = path_over(rooms), path_over(rooms)
    await here.handle(ROOM, arrive, delivery("m-1"))
    await there.handle(ROOM, arrive, delivery("m-2"))

    handled = await here.handle(ROOM, leave_a_full_room, delivery("m-3"))

    assert isinstance(handled.outcome, Applied)
    assert await rooms.guests() == 0


async def test_a_message_that_fails_on_the_newest_document_fails() -> None:
    path = path_over(Rooms())
    await path.handle(ROOM, arrive, delivery("m-1"))

    with pytest.raises(LookupError):
        await path.handle(ROOM, leave_a_full_room, delivery("m-2"))


async def test_a_message_is_decided_on_again_when_another_writer_was_first(rooms: Rooms) -> None:
    path = path_over(rooms)
    rooms.rivals = 1

    handled = await path.handle(ROOM, arrive, delivery("m-1"))

    assert handled.outcome.name == "applied"
    assert await rooms.guests() == 11


async def test_a_message_that_loses_every_race_is_a_conflict_and_is_written_by_no_try(rooms: Rooms) -> None:
    rooms.rivals = write_path._TRIES

    with pytest.raises(ConflictError):
        await path_over(rooms).handle(ROOM, arrive, delivery("m-1"))

    stored = await rooms.load(ROOM)
    assert stored is not None
    assert (stored.version, stored.state.guests, stored.handled) == (write_path._TRIES, 10, ("rival",))


async def test_a_message_that_wins_its_last_race_is_applied(rooms: Rooms) -> None:
    rooms.rivals = write_path._TRIES - 1

    handled = await path_over(rooms).handle(ROOM, arrive, delivery("m-1"))

    assert handled.outcome.name == "applied"
    assert await rooms.guests() == 11


async def test_what_a_process_wrote_last_is_decided_on_without_reading_it(rooms: Rooms) -> None:
    path = path_over(rooms)
    await path.handle(ROOM, arrive, delivery("m-1"))
    rooms.reads = 0

    await path.handle(ROOM, arrive, delivery("m-2"))

    assert rooms.reads == 0
    assert await rooms.guests() == 2


async def test_a_remembered_document_that_another_process_has_changed_is_read_and_then_written(
    rooms: Rooms,
) -> None:
    path, other = path_over(rooms), path_over(rooms)
    await path.handle(ROOM, arrive, delivery("m-1"))
    await other.handle(ROOM, arrive, delivery("m-2"))

    await path.handle(ROOM, arrive, delivery("m-3"))

    assert await rooms.guests() == 3


async def test_a_remembered_document_refuses_nothing(rooms: Rooms) -> None:
    path, other = path_over(rooms), path_over(rooms)
    await path.handle(ROOM, arrive_alone, delivery("m-1"))
    await other.handle(ROOM, leave, delivery("m-2"))

    handled = await path.handle(ROOM, arrive_alone, delivery("m-3"))

    assert handled.outcome.name == "applied"


async def test_a_document_that_is_really_as_remembered_refuses_after_it_was_read(rooms: Rooms) -> None:
    path = path_over(rooms)
    await path.handle(ROOM, arrive_alone, delivery("m-1"))
    rooms.reads = 0

    handled = await path.handle(ROOM, arrive_alone, delivery("m-2"))

    assert isinstance(handled.outcome, Refused)
    assert rooms.reads == 1


async def test_a_remembered_document_makes_no_message_a_duplicate(rooms: Rooms) -> None:
    path = path_over(rooms)
    await path.handle(ROOM, arrive, delivery("m-1"))
    rooms.raw.clear()  # restored to before it

    handled = await path.handle(ROOM, arrive, delivery("m-1"))

    assert handled.outcome.name == "applied"
    assert await rooms.guests() == 1


async def test_a_document_that_is_probably_new_and_is_not_refuses_nothing_unread(rooms: Rooms) -> None:
    await path_over(rooms).handle(ROOM, arrive, delivery("m-1"))

    handled = await path_over(rooms).handle(ROOM, leave, delivery("m-2"), likely_new=True)

    assert handled.outcome.name == "applied"
    assert await rooms.guests() == 0


async def test_a_document_that_is_probably_new_is_written_without_reading(rooms: Rooms) -> None:
    await path_over(rooms).handle(ROOM, arrive, delivery("m-1"), likely_new=True)

    assert rooms.reads == 0


async def test_a_document_that_was_forgotten_is_read(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_path, "_REMEMBERED", 1)
    path = path_over(rooms)
    await path.handle(ROOM, arrive, delivery("m-1"))
    await path.handle("room_2", arrive, delivery("m-2"))
    rooms.reads = 0

    await path.handle(ROOM, arrive, delivery("m-3"))

    assert rooms.reads == 1
    assert await rooms.guests() == 2


async def test_the_same_delivery_again_changes_nothing(rooms: Rooms) -> None:
    path = path_over(rooms)
    await path.handle(ROOM, arrive, delivery("m-1"))

    handled = await path.handle(ROOM, arrive, delivery("m-1"))

    assert isinstance(handled.outcome, Duplicate)
    assert await rooms.guests() == 1


async def test_without_deduplication_the_decision_alone_says_what_the_same_delivery_changes(rooms: Rooms) -> None:
    path = path_over(rooms, deduplicates=False)
    await path.handle(ROOM, arrive, delivery("m-1"))

    handled = await path.handle(ROOM, arrive, delivery("m-1"))

    assert handled.outcome.name == "applied"
    stored = await rooms.load(ROOM)
    assert stored is not None
    assert (stored.state.guests, stored.handled) == (2, ())


async def test_a_passed_deadline_is_decided_on_with_what_the_path_was_built_with(rooms: Rooms) -> None:
    path = path_over(rooms, on_deadline=leave)
    await path.handle(ROOM, arrive, delivery("m-1"))

    swept = await path.sweep_deadlines()

    assert swept == 1
    assert await rooms.guests() == 0
    assert await path.sweep_deadlines() == 0
