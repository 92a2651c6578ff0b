"""Twice as many orders as are handled: those admitted keep their latency, and those refused get a turn that holds.

On a simulated clock: a service that answers so many orders a second, first come first served.
"""

import heapq
from collections import deque
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

import pytest

from chassis.messaging.requests import ReplyTimeoutError
from chassis.web.problems import ProblemError
from gateway.admission import AdmissionControl
from gateway.concurrency import LEAST, ConcurrencyLimit
from gateway.turns import LATEST, SOONEST, Turns

CAPACITY = 25
"""Orders a second."""
TARGET = 1.0
STEP = 0.01


async def none_waiting() -> int:
    return 0


@dataclass
class Service:
    """A gateway's admission in front of a service with a queue."""

    now: float = 1000.0
    free: float = 0.0
    queue: deque[tuple[float, AbstractContextManager[None]]] = field(default_factory=deque)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """When an order was answered, and after how long."""
    returning: list[tuple[float, str]] = field(default_factory=list)
    returned: list[bool] = field(default_factory=list)
    too_late: int = 0

    def __post_init__(self) -> None:
        self.admission = AdmissionControl(none_waiting, 1000, TARGET, lambda: self.now)

    async def order(self, order_id: str) -> bool:
        try:
            await self.admission.admit(order_id)
        except ProblemError as refusal:
            after = float((refusal.headers or {})["Retry-After"])
            if after < LATEST:
                heapq.heappush(self.returning, (self.now + after, order_id))
            else:
                self.too_late += 1
            return False
        waiting = self.admission.waiting()
        waiting.__enter__()
        self.queue.append((self.now, waiting))
        return True

    async def step(self) -> None:
        self.now += STEP
        while self.queue and max(self.free, self.queue[0][0]) + 1 / CAPACITY <= self.now:
            asked, waiting = self.queue.popleft()
            self.free = max(self.free, asked) + 1 / CAPACITY
            waiting.__exit__(None, None, None)
            self.latencies.append((self.now, self.now - asked))
        while self.returning and self.returning[0][0] <= self.now:
            self.returned.append(await self.order(heapq.heappop(self.returning)[1]))

    async def load(self, rate: float, seconds: float) -> int:
        """Orders of new guests. Returns how many were refused."""
        began, sent, let_in = self.now, 0, 0
        while self.now < began + seconds:
            await self.step()
            while sent < (self.now - began) * rate:
                sent += 1
                let_in += await self.order(f"ord_{self.now}_{sent}")
        return sent - let_in

    def since(self, moment: float) -> list[float]:
        return sorted(latency for at, latency in self.latencies if at >= moment)


@pytest.mark.parametrize("times", [2, 5])
async def test_at_many_times_the_capacity_admitted_orders_keep_their_latency_and_every_turn_holds(times: int) -> None:
    service = Service()
    await service.load(CAPACITY * 0.7, 20)
    settled = service.now + 10

    await service.load(CAPACITY * times, 60)

    latencies = service.since(settled)
    assert latencies[int(len(latencies) * 0.95)] <= 1.5 * TARGET
    assert len(latencies) >= 0.8 * CAPACITY * 50
    assert len(service.returned) > CAPACITY
    assert all(service.returned)


async def test_after_the_load_new_guests_are_let_in_again_as_soon_as_those_with_turns_have_come() -> None:
    service = Service()
    await service.load(CAPACITY * 2, 60)

    await service.load(0, LATEST)
    ended = service.now
    refused = await service.load(CAPACITY * 0.7, 10)

    assert refused == 0
    assert service.since(ended)[-1] <= TARGET


async def test_guests_who_do_not_come_back_leave_their_turns_to_new_ones() -> None:
    service = Service()
    await service.load(CAPACITY * 2, 60)
    service.returning.clear()

    await service.load(CAPACITY * 0.7, 10)
    refused = await service.load(CAPACITY * 0.7, 10)

    assert refused == 0


async def test_below_the_capacity_no_order_is_refused() -> None:
    service = Service()

    refused = await service.load(CAPACITY * 0.9, 60)

    assert refused == 0


def test_late_answers_sent_together_reduce_the_limit_once_and_never_below_the_least() -> None:
    now = 0.0
    limit = ConcurrencyLimit(TARGET, lambda: now)
    before = limit.limit

    waiting = [limit.waiting() for _ in range(10)]
    for each in waiting:
        each.__enter__()
    now = 2 * TARGET
    for each in waiting:
        each.__exit__(None, None, None)

    assert before / 2 < limit.limit < before
    for _ in range(50):
        with limit.waiting():
            now += 2 * TARGET
    assert (limit.limit, limit.in_flight) == (LEAST, 0)


@pytest.mark.parametrize(
    ("error", "is_late"), [(ReplyTimeoutError("orders.place-order.v1", 5), True), (RuntimeError("down"), False)]
)
def test_an_answer_that_never_came_counts_as_late_and_an_error_as_nothing(error: Exception, is_late: bool) -> None:
    now = 0.0
    limit = ConcurrencyLimit(TARGET, lambda: now)
    before = limit.limit

    with suppress(Exception), limit.waiting():
        now += 2 * TARGET
        raise error

    assert limit.in_flight == 0
    assert (limit.limit < before) is is_late


def test_a_turn_is_kept_however_often_a_guest_asks_and_is_used_once() -> None:
    now = 0.0
    turns = Turns(lambda: now)

    first, second, first_again = (turns.give(order, rate=0.5) for order in ("ord_1", "ord_2", "ord_1"))
    early = turns.has_come("ord_1")
    now = SOONEST

    assert (first, second, first_again, early) == (SOONEST, SOONEST + 1, SOONEST, False)
    assert turns.are_given
    assert [turns.has_come("ord_1"), turns.has_come("ord_1"), turns.has_come("ord_2")] == [True, False, False]


def test_a_turn_that_is_not_used_is_forgotten_and_no_more_than_some_are_kept() -> None:
    now = 0.0
    turns = Turns(lambda: now)

    said = [turns.give(f"ord_{number}", rate=1_000_000) for number in range(20_000)]
    now = SOONEST + 60.0

    assert max(said) <= LATEST
    assert len(turns._turns) <= 10_000
    assert not turns.has_come("ord_19999")
    assert not turns.are_given
