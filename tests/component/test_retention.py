"""Documents whose time has passed: some at each sweep, the oldest first, whatever one of them has."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from chassis.decision import Applied, State
from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage import retention
from chassis.storage.retention import RetentionSweep
from chassis.storage.write_path import WritePath
from tests.support.fake_store import FakeDocuments, ask

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


class Thing(State):
    created_at: datetime = NOW
    is_needed: bool = False


class Silent:
    async def publish(self, envelope: Envelope) -> None:
        raise AssertionError(envelope)


@dataclass
class Shelf:
    """One process's sweep over documents that several may sweep."""

    documents: FakeDocuments[Thing] = field(default_factory=lambda: FakeDocuments(Thing))
    now: datetime = NOW + MONTH + timedelta(seconds=1)

    def __post_init__(self) -> None:
        self.path = WritePath(self.documents, Silent(), ask, clock=lambda: self.now)
        self.sweep = RetentionSweep(
            "things", self.path.delete, self.found, lambda thing, _: not thing.is_needed, MONTH, lambda: self.now
        ).sweep

    async def found(self, before: datetime, limit: int) -> list[str]:
        if self.documents.away:
            raise StoreUnavailableError("sweeping", TimeoutError())
        return [name for name in self.documents.raw if before > NOW][:limit]

    async def put(self, *names: str, is_needed: bool = False) -> None:
        for name in names:
            await self.path.handle(
                name, lambda _old, _now: Applied(Thing(is_needed=is_needed)), Delivery(name, "c", "put")
            )


async def test_what_must_stay_and_what_cannot_be_read_keep_no_other_from_going() -> None:
    shelf = Shelf()
    await shelf.put("needed", is_needed=True)
    await shelf.put("broken", "newer", "old")
    raw = shelf.documents.raw
    raw["broken"] = {**raw["broken"], "state": {"created_at": "no time"}}
    raw["newer"] = {**raw["newer"], "schema": 99}

    with capture_logs() as logs:
        deleted = [await shelf.sweep(), await shelf.sweep()]

    assert deleted == [1, 0]
    assert list(shelf.documents.raw) == ["needed", "broken", "newer"]
    assert [each["event"] for each in logs] == ["document.unswept", "document.left_to_newer", "records.deleted_by_age"]


async def test_a_sweep_takes_as_many_and_those_that_stay_do_not_crowd_out_the_others() -> None:
    shelf = Shelf()
    stay = [f"needed-{number}" for number in range(retention.AT_ONCE)]
    await shelf.put(*stay, is_needed=True)
    await shelf.put(*(f"old-{number}" for number in range(retention.AT_ONCE + 1)))

    deleted = [await shelf.sweep() for _ in range(4)]

    assert deleted == [0, retention.AT_ONCE, 1, 0]
    assert list(shelf.documents.raw) == stay


async def test_two_processes_delete_each_document_once() -> None:
    one = Shelf()
    other = Shelf(one.documents)
    await one.put("a", "b", "c")
    loaded = await one.documents.load("a")
    assert loaded is not None

    assert await other.sweep() == 3
    assert not await one.documents.remove(loaded)
    assert await one.sweep() == 0


async def test_while_the_store_is_away_a_sweep_ends_and_the_next_goes_on() -> None:
    shelf = Shelf()
    await shelf.put("a")
    shelf.documents.away = True
    try:
        await shelf.sweep()
    except StoreUnavailableError:
        shelf.documents.away = False

    assert await shelf.sweep() == 1
