"""The circuit breaker: when it opens, when it closes, and what it says meanwhile."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from chassis.errors import ConflictError, ForbiddenError, StoreUnavailableError
from chassis.messaging.breaker import Breaker
from chassis.messaging.consumers import Consumers
from chassis.runtime.metrics import Metrics

NOON = datetime(2027, 2, 3, 12, tzinfo=UTC)
AWAY = StoreUnavailableError("loading ord_1", OSError("connection refused"))


@dataclass
class Switch(Consumers):
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

    def breaker(self, failure_threshold: int = 1) -> Breaker:
        return Breaker(
            "the document store",
            StoreUnavailableError,
            self.answers,
            self.consuming,
            Metrics("test"),
            failure_threshold=failure_threshold,
            clock=lambda: NOON,
        )


@pytest.fixture
def store() -> Dependency:
    return Dependency()


async def test_a_failure_of_a_store_that_answers_stops_nothing(store: Dependency) -> None:
    breaker = store.breaker()

    stopped = await breaker.trips_on(AWAY)

    assert (stopped, breaker.is_open, store.consuming.is_paused, store.asked) == (False, False, False, 1)


async def test_a_failure_of_a_store_that_is_away_stops_consuming(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await breaker.trips_on(AWAY)

    assert (stopped, breaker.is_open, store.consuming.is_paused) == (True, True, True)


async def test_another_failure_is_not_the_stores(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await breaker.trips_on(ConflictError("ord_1", 8))

    assert (stopped, breaker.is_open, store.asked) == (False, False, 0)


async def test_many_failures_at_once_ask_the_store_once(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()

    stopped = await asyncio.gather(*(breaker.trips_on(AWAY) for _ in range(64)))

    assert all(stopped)
    assert store.asked == 1


async def test_patience_counts_failures_in_a_row(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker(failure_threshold=3)

    for _ in range(2):
        assert not await breaker.trips_on(AWAY)
    breaker.succeeded()
    for _ in range(2):
        assert not await breaker.trips_on(AWAY)
    assert store.asked == 0
    stopped = await breaker.trips_on(AWAY)

    assert (stopped, store.asked) == (True, 1)


async def test_consuming_goes_on_as_soon_as_the_store_answers(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()
    await breaker.trips_on(AWAY)

    await breaker.probe()
    still_open = breaker.is_open
    store.is_there = True
    await breaker.probe()

    assert still_open
    assert (breaker.is_open, store.consuming.is_paused) == (False, False)


async def test_a_closed_breaker_makes_no_probe(store: Dependency) -> None:
    await store.breaker().probe()

    assert store.asked == 0


async def test_health_says_what_is_away_and_since_when(store: Dependency) -> None:
    store.is_there = False
    breaker = store.breaker()
    check = breaker.check()
    before = await check()
    await breaker.trips_on(AWAY)

    said = await check()

    assert before is None
    assert said == (
        "the document store is unavailable since 2027-02-03T12:00:00+00:00: nothing is consumed until it answers again"
    )


class KeyRevokedError(ForbiddenError):
    """The dependency refuses every call until its key is right."""

    def __init__(self, store: Dependency) -> None:
        self._store = store
        super().__init__("the key was revoked", "key")

    async def is_over(self) -> bool:
        return self._store.is_there


async def test_a_refusal_of_our_configuration_opens_at_once_although_the_dependency_answers(store: Dependency) -> None:
    breaker = store.breaker(failure_threshold=10)
    store.is_there = False

    stopped = await breaker.trips_on(KeyRevokedError(store))

    assert (stopped, breaker.is_open, store.consuming.is_paused, store.asked) == (True, True, True, 0)
    assert "refuses this service since" in str(await breaker.check()())
    assert "the key was revoked" in str(await breaker.check()())


async def test_consuming_goes_on_when_what_was_refused_is_accepted_again(store: Dependency) -> None:
    breaker = store.breaker()
    store.is_there = False
    await breaker.trips_on(KeyRevokedError(store))

    await breaker.probe()
    still_open = breaker.is_open
    store.is_there = True
    await breaker.probe()

    assert still_open
    assert (breaker.is_open, store.consuming.is_paused, await breaker.check()()) == (False, False, None)


async def test_a_refusal_that_is_over_when_asked_again_stops_nothing(store: Dependency) -> None:
    breaker = store.breaker()

    assert not await breaker.trips_on(KeyRevokedError(store))

    assert not breaker.is_open
