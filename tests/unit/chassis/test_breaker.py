"""The circuit breaker: when it opens, when it closes, and what it says meanwhile."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from chassis.breaker import Breaker
from chassis.consuming import Consuming
from chassis.errors import ConflictError, StoreUnavailableError
from chassis.metrics import Metrics

NOON = datetime(2027, 2, 3, 12, tzinfo=UTC)
AWAY = StoreUnavailableError("loading ord_1", OSError("connection refused"))


@dataclass
class Switch(Consuming):
    """Knows only whether it is paused."""

    is_paused: bool = False

    async def pause(self) -> None:
        self.is_paused = True

    async def resume(self) -> None:
        self.is_paused = False


@dataclass
class Dependency:
    """Answers or not, and counts how often it was asked."""

    is_there: bool = True
    asked: int = 0
    consuming: Switch = field(default_factory=Switch)

    async def answers(self) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        return self.is_there

    def breaker(self, patience: int = 1) -> Breaker:
        return Breaker(
            "the document store",
            StoreUnavailableError,
            self.answers,
            self.consuming,
            Metrics("test"),
            patience=patience,
            clock=lambda: NOON,
        )


@pytest.fixture
def store() -> Dependency:
    return Dependency()


async def test_a_failure_of_a_store_that_answers_stops_nothing(store: Dependency) -> None:
    breaker = store.breaker()

    stopped = await breaker.stops(AWAY)

    assert (stopped, breaker.is_open, store.consuming.is_paused, store.asked) == (False, False, False, 1)


async def test_a_failure_of_a_store_that_is_away_stops_consuming(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await breaker.stops(AWAY)

    assert (stopped, breaker.is_open, store.consuming.is_paused) == (True, True, True)


async def test_another_failure_is_not_the_stores(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await breaker.stops(ConflictError("ord_1", 8))

    assert (stopped, breaker.is_open, store.asked) == (False, False, 0)


async def test_many_failures_at_once_ask_the_store_once(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await asyncio.gather(*(breaker.stops(AWAY) for _ in range(64)))

    assert all(stopped)
    assert store.asked == 1


async def test_patience_counts_failures_in_a_row(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker(patience=3)

    for _ in range(2):
        assert not await breaker.stops(AWAY)
    breaker.succeeded()
    for _ in range(2):
        assert not await breaker.stops(AWAY)
    assert store.asked == 0
    stopped = await breaker.stops(AWAY)

    assert (stopped, store.asked) == (True, 1)


async def test_consuming_goes_on_as_soon_as_the_store_answers(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()
    await breaker.stops(AWAY)

    await breaker.probe()
    still_open = breaker.is_open
    store.is_there = True
    await breaker.probe()

    assert still_open
    assert (breaker.is_open, store.consuming.is_paused) == (False, False)


async def test_a_closed_breaker_asks_nobody(store: Dependency) -> None:
    await store.breaker().probe()

    assert store.asked == 0


async def test_health_says_what_is_away_and_since_when(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()
    check = breaker.check()
    before = await check()
    await breaker.stops(AWAY)

    said = await check()

    assert before is None
    assert said == (
        "the document store is away since 2027-02-03T12:00:00+00:00: nothing is consumed until it answers again"
    )
