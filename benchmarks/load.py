"""The load driver: how many paid orders a second, how fast many sessions open at once, and what an order costs.

    python -m benchmarks.load                       # both, on a separate stack in a temporary folder
    python -m benchmarks.load --orders 600 --guests 32
    python -m benchmarks.load --sessions 64 --latency-ms 300 --orders 0
    python -m benchmarks.load --stored 10000 --sessions 0    # with 10,000 settled orders in the store

Everything runs on this machine, the driver included, so figures are for comparing before and after, on the same machine
with nothing else running. Bounded in count by its options.
"""

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated

import httpx
import psutil
import typer
from rich.console import Console

from benchmarks.stored import fill
from deploy.local.stack import LocalStack
from ops.demo.counters import Counters, count
from ops.demo.guest import Guest

console = Console(highlight=False)


def main(
    orders: Annotated[
        int, typer.Option(min=0, max=20_000, help="Paid orders to drive, from placing to confirmed.")
    ] = 300,
    guests: Annotated[int, typer.Option(min=1, max=256, help="Guests at the same time.")] = 16,
    sessions: Annotated[int, typer.Option(min=0, max=256, help="Payment sessions to open all at once.")] = 64,
    latency_ms: Annotated[
        int, typer.Option(min=0, max=10_000, help="How long the sandbox takes to answer then.")
    ] = 300,
    stored: Annotated[int, typer.Option(min=0, max=200_000, help="Settled orders to put into the store first.")] = 0,
) -> None:
    """Drive a bounded load through a separate stack and print what it took."""
    with tempfile.TemporaryDirectory(prefix="bellhop-bench-") as folder, LocalStack(Path(folder)) as stack:
        asyncio.run(_Drive(stack).all(orders, guests, sessions, latency_ms, stored))


class _Drive:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack

    async def all(self, orders: int, guests: int, sessions: int, latency_ms: int, stored: int) -> None:
        limits = httpx.Limits(max_connections=600)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as http:
            self._http = http
            await self._orders(20, 4, warm_up=True)
            if stored:
                await asyncio.to_thread(fill, self._stack.store.url, "bellhop", stored)
                console.print(f"{stored} settled orders put into the store")
            if sessions:
                await self._sessions(sessions, latency_ms)
            if orders:
                await self._orders(orders, guests, warm_up=False)

    async def _sessions(self, number: int, latency_ms: int) -> None:
        guest = self._guest(0)
        placed = await asyncio.gather(*(guest.order("alm-breakfast", 1) for _ in range(number)))
        faults = f"{self._stack.sandbox_url}/_sandbox/faults"
        (await self._http.put(faults, json={"api": {"latency_ms": latency_ms}})).raise_for_status()
        began = perf_counter()
        await asyncio.gather(*(guest.open_payment(order.order_id) for order in placed))
        took = perf_counter() - began
        await self._http.delete(faults)
        console.print(f"{number} payment sessions at once, the PSP answering after {latency_ms} ms: {took:.2f} s")

    async def _orders(self, number: int, at_once: int, *, warm_up: bool) -> None:
        before = await self._count()
        turns = asyncio.Semaphore(at_once)
        times: list[float] = []

        async def one(turn: int) -> None:
            async with turns:
                began = perf_counter()
                await self._guest(turn % at_once).buy("alm-breakfast")
                times.append(perf_counter() - began)

        cpu_before = self._cpu_seconds()
        began = perf_counter()
        await asyncio.gather(*(one(turn) for turn in range(number)))
        took = perf_counter() - began
        cpu = self._cpu_seconds()
        if warm_up:
            return
        await asyncio.sleep(1)  # the last outboxes are cleared in a batch
        spent = await self._count() - before
        times.sort()
        median, slow = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.95))
        lines = (
            f"{number} paid orders by {at_once} guests: {number / took:.1f} a second; "
            f"median {median:.0f} ms, 95th percentile {slow:.0f} ms",
            f"each: {spent.write_path_messages / number:.2f} bus messages on the write path, "
            f"{spent.state_writes / number:.2f} state writes, "
            f"{spent.clear_trips / number:.2f} round trips to clear outboxes, "
            f"{spent.read_trips / number:.2f} store reads",
        )
        for line in lines:
            console.print(line, soft_wrap=True)
        parts = ", ".join(
            f"{name} {(cpu[name] - seconds) / number * 1000:.1f}" for name, seconds in sorted(cpu_before.items())
        )
        console.print(f"processor time per order in ms: {parts}", soft_wrap=True)

    def _cpu_seconds(self) -> dict[str, float]:
        """Processor time each part has used: comparable even while something else keeps the machine busy."""
        seconds = {"driver": sum(psutil.Process().cpu_times()[:2])}
        for name in ("broker", "store", "sandbox", *self._stack.service_urls):
            process = psutil.Process(self._stack.part(name).pid)
            tree = [process, *process.children(recursive=True)]
            seconds[name] = sum(sum(member.cpu_times()[:2]) for member in tree)
        return seconds

    async def _count(self) -> Counters:
        return await count(self._http, self._stack.service_urls)

    def _guest(self, number: int) -> Guest:
        return Guest(f"load-{number}", "alpenhof", self._stack, self._http)


if __name__ == "__main__":
    typer.run(main)
