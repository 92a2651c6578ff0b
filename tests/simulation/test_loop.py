"""The deterministic event loop: the seed alone decides, and nothing gets out."""

import asyncio
import random
import secrets
import socket
import threading
import time
import uuid

import pytest

from chassis.messaging.envelope import utc_now
from chassis.runtime.clock import SharedClock
from tests.simulation.loop import EscapeError, Period, Process, SimulatedLoop, StuckError
from tests.simulation.sealing import sealed


async def _race(loop: SimulatedLoop, names: tuple[str, ...]) -> list[str]:
    seen: list[str] = []

    async def run(name: str) -> None:
        for number in range(5):
            await asyncio.sleep(0)
            seen.append(f"{name}{number}")

    await asyncio.gather(*(loop.run_in(Process(name), run(name), name) for name in names))
    return seen


def _history(seed: int) -> tuple[list[str], int]:
    loop = SimulatedLoop(seed)
    with sealed(loop, seed):
        return loop.run_until_complete(_race(loop, ("a", "b", "c"))), loop.trace


def test_one_seed_is_one_history() -> None:
    assert _history(1) == _history(1)


def test_other_seeds_are_other_histories() -> None:
    histories = {_history(seed)[1] for seed in range(20)}

    assert len(histories) == 20


def test_within_a_process_callbacks_keep_their_order() -> None:
    seen, _ = _history(3)

    for name in "abc":
        own = [each for each in seen if each.startswith(name)]
        assert own == sorted(own)


def test_days_pass_at_once() -> None:
    loop = SimulatedLoop(1)

    async def a_week() -> float:
        await asyncio.sleep(7 * 24 * 3600)
        return loop.time()

    assert loop.run_until_complete(a_week()) == 7 * 24 * 3600


def test_a_timeout_ends_what_takes_too_long() -> None:
    loop = SimulatedLoop(1)

    async def slow() -> None:
        async with asyncio.timeout(5):
            await asyncio.sleep(6)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(slow())
    assert loop.time() == 5


def test_what_can_never_come_is_named_and_not_waited_for() -> None:
    loop = SimulatedLoop(1)

    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError):
        loop.run_until_complete(forever())


def test_while_nothing_happens_periodic_work_takes_few_rounds() -> None:
    loop = SimulatedLoop(1, idle_step=30)
    rounds = 0

    async def periodic() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(Period(1))
            rounds += 1

    async def an_hour() -> None:
        loop.create_task(periodic())
        await asyncio.sleep(3600)

    loop.run_until_complete(an_hour())
    assert 100 < rounds < 150


def test_a_killed_process_runs_nothing_any_more_not_even_its_finally() -> None:
    loop, seen = SimulatedLoop(1), list[str]()
    process = Process("service")

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            seen.append("done")
        finally:
            seen.append("cleaned up")

    async def run() -> None:
        loop.run_in(process, work(), "work")
        await asyncio.sleep(5)
        loop.kill(process)
        await asyncio.sleep(20)

    loop.run_until_complete(run())
    assert seen == []


def test_time_and_ids_are_the_seeds() -> None:
    def drawn(seed: int) -> tuple[object, ...]:
        loop = SimulatedLoop(seed)

        async def draw() -> tuple[object, ...]:
            await asyncio.sleep(90)
            clock = SharedClock("another")
            return (
                time.time(), time.monotonic(), utc_now(), clock.now(), clock.steady(), uuid.uuid4(),
                secrets.token_hex(6), random.random(),  # noqa: S311
            )  # fmt: skip

        with sealed(loop, seed):
            return loop.run_until_complete(draw())

    assert drawn(1) == drawn(1)
    assert drawn(1)[5:] != drawn(2)[5:]


def test_after_a_run_the_real_clock_is_back() -> None:
    before = time.time()
    loop = SimulatedLoop(1)
    with sealed(loop, 1):
        loop.run_until_complete(asyncio.sleep(1))

    assert abs(time.time() - before) < 60
    assert abs(utc_now().timestamp() - before) < 60


@pytest.mark.parametrize(
    ("reach", "named"),
    [
        (lambda: time.sleep(1), "time.sleep"),
        (lambda: threading.Thread(target=print, name="t").start(), "a thread t"),
        (socket.socket, "a socket"),
        (lambda: asyncio.get_running_loop().run_in_executor(None, print), "a thread for 'print'"),
    ],
    ids=["sleep", "thread", "socket", "executor"],
)
def test_what_reaches_for_the_real_world_ends_the_run_and_is_named(reach: object, named: str) -> None:
    loop = SimulatedLoop(1)

    async def escape() -> None:
        try:
            reach()  # type: ignore[operator]
        except Exception:  # a service's own net must not hide it
            pytest.fail("swallowed")

    async def run() -> None:
        await loop.run_in(Process("adapter"), escape(), "escape")

    with sealed(loop, 1), pytest.raises(EscapeError, match=f"adapter reached out of the simulation for {named}"):
        loop.run_until_complete(run())


def test_threads_that_ran_before_keep_the_real_world() -> None:
    begin, seen = threading.Event(), []

    def work() -> None:
        begin.wait(30)
        time.sleep(0)
        seen.append(time.time())

    driver = threading.Thread(target=work)
    driver.start()
    before = time.time()
    loop = SimulatedLoop(1)

    with sealed(loop, 1):
        begin.set()
        driver.join(30)

    assert loop.escapes == []
    assert before <= seen[0] <= time.time()
