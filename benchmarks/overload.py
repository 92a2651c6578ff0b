"""Twice as many guests as the system can serve: what becomes of those it takes, and of those it refuses.

Orders arrive at a fixed rate, whatever has become of the earlier ones. A guest who is refused waits as long as
`Retry-After` says and tries once more. Afterwards single orders say when the system is as it was.
"""

import asyncio
import math
import uuid
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.driver import Driven, Driver, opened, placed
from benchmarks.figures import Measured, percentile
from benchmarks.processes import give_way
from client import ProblemError
from ops.demo.guest import CARD_FINE, DemoError, Guest

GUESTS = 16
_TIMES = 2.0
_RECOVERED_IN_A_ROW = 3
_GIVE_UP = 120.0
"""Seconds after the load in which the last accepted order must be confirmed, and the system be as before."""


@dataclass(slots=True)
class _Arrivals:
    outcomes: Counter[str] = field(default_factory=Counter)
    placed: list[float] = field(default_factory=list)
    """Seconds from the request for an order to its answer, of those that were accepted."""
    refused: list[float] = field(default_factory=list)
    retry_after: list[float] = field(default_factory=list)
    driven: Driven = field(default_factory=lambda: Driven(0))
    last: float = 0.0
    """When the last guest asked, those who came back included."""


async def overload(driver: Driver, measured: Measured, seconds: float) -> None:
    """Find the capacity, send twice as much for so long, and wait for the recovery."""
    give_way(driver.stack)
    usual = await driver.drive(GUESTS * 8, GUESTS)
    alone = await driver.drive(20, 1)
    rate, arrivals = usual.rate * _TIMES, _Arrivals()
    tasks: list[asyncio.Task[None]] = []
    began = perf_counter()
    while (elapsed := perf_counter() - began) < seconds:
        while len(tasks) < elapsed * rate:
            tasks.append(asyncio.create_task(_arrive(driver, len(tasks), arrivals)))
        await asyncio.sleep(0.005)
    ended = perf_counter()
    recovered = await _recovered(driver, 2 * percentile(alone.bought, 0.95))
    _done, late = await asyncio.wait(tasks, timeout=_GIVE_UP)
    for task in late:
        task.cancel()
    measured.note("capacity", "1/s", usual.rate)
    measured.note("arrivals", "1/s", len(tasks) / (ended - began))
    for outcome, number in sorted(arrivals.outcomes.items()):
        measured.note(outcome, "", number)
    measured.note("neither confirmed nor refused", "", len(late))
    for what, times in (
        ("accepted: request to answer", arrivals.placed),
        ("refused: request to answer", arrivals.refused),
        ("accepted: card to confirmed", arrivals.driven.confirmed),
        ("at capacity: card to confirmed", usual.confirmed),
    ):
        for share in (0.5, 0.95, 0.99):
            if times:
                measured.note(f"{what}, {share * 100:.0f} %", "ms", percentile(times, share) * 1000)
    if arrivals.retry_after:
        measured.note("Retry-After", "s", *arrivals.retry_after)
    measured.note("last request of a guest to usual times", "s", max(0.0, recovered - arrivals.last))


async def _arrive(driver: Driver, number: int, arrivals: _Arrivals) -> None:
    guest, key = driver.guest(number), uuid.uuid4().hex
    try:
        for attempt in ("accepted at once", "accepted after Retry-After"):
            began = arrivals.last = perf_counter()
            try:
                order_id, in_time = await placed(guest, key)
            except ProblemError as refusal:
                if refusal.status != 503 or refusal.retry_after is None:
                    raise
                arrivals.refused.append(perf_counter() - began)
                after = refusal.retry_after
                arrivals.retry_after.append(after)
                await asyncio.sleep(after)
                continue
            arrivals.placed.append(perf_counter() - began)
            arrivals.outcomes[attempt if in_time else "accepted, to be answered later (202)"] += 1
            await _pay(guest, order_id, arrivals.driven)
            arrivals.outcomes["confirmed"] += 1
            return
        arrivals.outcomes["refused twice"] += 1
    except Exception as error:
        arrivals.outcomes[f"failed: {type(error).__name__}: {str(error)[:60]}"] += 1


async def _pay(guest: Guest, order_id: str, driven: Driven) -> None:
    session = await opened(guest, order_id)
    while True:
        try:
            async with guest.watching(order_id) as live:
                paying = perf_counter()
                await guest.pay(session, CARD_FINE)
                await live.next("orders.order-confirmed")
            break
        except (ProblemError, DemoError, TimeoutError):
            if (await guest.see(order_id)).status == "confirmed":
                break
            await asyncio.sleep(1)
    driven.confirmed.append(perf_counter() - paying)


async def _recovered(driver: Driver, usual: float) -> float:
    """The moment from which three orders in a row took no longer than that, from the click to the confirmation."""
    began, in_a_row, since = perf_counter(), 0, math.inf
    while in_a_row < _RECOVERED_IN_A_ROW and perf_counter() - began < _GIVE_UP:
        probe, asked = Driven(1), perf_counter()
        try:
            await driver.buy(driver.guest(0), probe)
        except (ProblemError, DemoError, TimeoutError):
            await asyncio.sleep(0.2)
        is_usual = bool(probe.bought) and probe.bought[0] <= usual
        since = asked if is_usual and in_a_row == 0 else since
        in_a_row = in_a_row + 1 if is_usual else 0
    return since
