"""The same load for a long time: what grows.

Orders arrive at 70 % of the capacity. Every few seconds memory, handles and threads of each process are read, with the
gauges of what waits; the last third is compared with the first.
"""

import asyncio
from collections import defaultdict
from statistics import mean
from time import perf_counter

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.driver import Driven, Driver
from benchmarks.figures import Measured, percentile
from benchmarks.overload import GUESTS
from benchmarks.processes import usage

SHARE = 0.7
_SAMPLES = 60
_GAUGES = {"bellhop_waiting", "bellhop_log_copies_waiting", "bellhop_requests_in_flight", "bellhop_live_streams"}


async def soak(driver: Driver, measured: Measured, minutes: float) -> None:
    """Drive orders for so long, and note how what each process holds has changed."""
    rate = (await driver.drive(GUESTS * 8, GUESTS)).rate * SHARE
    driven, failed = Driven(0), 0
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    running: set[asyncio.Task[None]] = set()
    began, seconds, every = perf_counter(), minutes * 60, minutes * 60 / _SAMPLES

    async def one(number: int) -> None:
        nonlocal failed
        try:
            await driver.buy(driver.guest(number % 1000), driven)
        except Exception:
            failed += 1

    while (elapsed := perf_counter() - began) < seconds:
        while driven.orders < elapsed * rate:
            task = asyncio.create_task(one(driven.orders))
            running.add(task)
            task.add_done_callback(running.discard)
            driven.orders += 1
        if elapsed >= every * len(samples["driver", "MiB"]):
            await _sample(driver, samples)
        await asyncio.sleep(0.01)
    await asyncio.wait(running, timeout=60) if running else None
    measured.note("orders, 70 % of the capacity", "1/s", driven.orders / seconds)
    measured.note("orders that failed", "", failed + len(running))
    for third, times in enumerate(_thirds(driven.bought)):
        measured.note(f"first click to confirmed, third {third + 1}, 95 %", "ms", percentile(times, 0.95) * 1000)
    for (what, unit), values in samples.items():
        first, _, last = _thirds(values)
        measured.note(f"{what}: first third", unit, *first)
        measured.note(f"{what}: last third", unit, *last)
        if mean(first):
            measured.note(f"{what}: {unit}, growth from the first to the last third", "%", growth(first, last))


def growth(first: list[float], last: list[float]) -> float:
    return (mean(last) / mean(first) - 1) * 100


def _thirds(values: list[float]) -> tuple[list[float], list[float], list[float]]:
    third = len(values) // 3
    return values[:third], values[third : 2 * third], values[-third:]


async def _sample(driver: Driver, samples: dict[tuple[str, str], list[float]]) -> None:
    for name, used in usage(driver.stack).items():
        samples[name, "MiB"].append(used.memory_mib)
        samples[name, "handles"].append(used.handles)
        samples[name, "threads"].append(used.threads)
    waiting = 0.0
    for url in driver.stack.service_urls.values():
        answer = await driver.http.get(f"{url}/metrics")
        for family in text_string_to_metric_families(answer.text):
            if family.name in _GAUGES:
                waiting += sum(sample.value for sample in family.samples)
    samples["outboxes, copies and requests that wait", ""].append(waiting)
