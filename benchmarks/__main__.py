"""All benchmarks by one command, each part alone too: see `python -m benchmarks --help`."""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from benchmarks import growth, log_lines
from benchmarks.drain import drain
from benchmarks.driver import Driver, note
from benchmarks.figures import Measured, Run, show, show_conditions, show_difference
from benchmarks.floor.compared import compare
from benchmarks.overload import overload
from benchmarks.soak import soak
from benchmarks.start_up import start_up
from client.problems import GatewayError
from deploy.local.process import PartError
from deploy.local.stack import LocalStack
from deploy.local.system_env import DATA_DIR
from ops.demo.guest import DemoError

console = Console(highlight=False)


class Part(StrEnum):
    LOG_LINES = "log-lines"
    START_UP = "start-up"
    LOAD = "load"
    FLOOR = "floor"
    GROWTH = "growth"
    DRAIN = "drain"
    OVERLOAD = "overload"
    SOAK = "soak"


_USUAL = [part for part in Part if part is not Part.SOAK]
_LOAD = {1: 40, 8: 160, 32: 320, 64: 320}
"""Orders by guests at the same time."""
_TARGET = {"BELLHOP_ORDER_TARGET_SECONDS": os.environ.get("BELLHOP_ORDER_TARGET_SECONDS", "1")}
"""A local stack has none: a busy machine is no reason to refuse the guests of a demo."""


def main(
    parts: Annotated[
        list[Part] | None, typer.Argument(help="What to measure; by default all, `soak` only with --long.")
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="More repetitions, 100,000 stored orders, 30 min. soak.")
    ] = False,
    repetitions: Annotated[int | None, typer.Option(min=1, max=50, help="Default: 3, with --long 5.")] = None,
    scale: Annotated[
        float, typer.Option(min=0.01, max=10, help="Multiplies the numbers of orders and the times of load.")
    ] = 1.0,
    json: Annotated[Path | None, typer.Option(help="Where to write the result; default: .bellhop/benchmarks/.")] = None,
    against: Annotated[Path | None, typer.Option(help="An earlier result, to compare with pair by pair.")] = None,
) -> None:
    """Measure a separate stack in a temporary folder, print a table for each part, and write all of it as JSON.

    Everything runs on this machine, the driver included. Processor time hardly depends on what else the machine does;
    seconds and orders a second do. All processes are ended by handle, after an error and Ctrl-C too.
    """
    before = Run.read(against) if against else None
    wanted = parts or (list(Part) if long else _USUAL)
    run = Run.here()
    show_conditions(console, run)
    file = json or DATA_DIR / "benchmarks" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    bench = _Bench(run, file, repetitions or (5 if long else 3), scale, long)
    failed = False
    for part in wanted:
        try:
            bench.measure(part)
        except (PartError, GatewayError, DemoError, httpx.HTTPError, TimeoutError) as error:
            console.print(f"{part} was not measured: {error!r}", style="red", markup=False)
            failed = True
    console.print(f"written to {file}", soft_wrap=True)
    if before is not None:
        show_difference(console, before, run)
    if failed:
        raise typer.Exit(1)


class _Bench:
    def __init__(self, run: Run, file: Path, repetitions: int, scale: float, long: bool) -> None:
        self._run = run
        self._file = file
        self._repetitions = repetitions
        self._scale = scale
        self._long = long

    def measure(self, part: Part) -> None:
        """Measure one part, show its table, and write what is known so far."""
        measured = Measured()
        match part:
            case Part.LOG_LINES:
                for _ in range(self._repetitions):
                    log_lines.measure(measured)
            case Part.GROWTH:
                growth.measure(measured, self._stored())
            case Part.START_UP:
                with _stack() as (stack, _):
                    start_up(stack, measured, self._repetitions)
            case Part.LOAD:
                with _stack() as (stack, _):
                    asyncio.run(self._load(stack, measured))
            case Part.FLOOR:
                with _stack() as (stack, folder):
                    asyncio.run(compare(stack, folder / "floor", measured, self._number(160), self._repetitions))
            case Part.DRAIN:
                with _stack() as (stack, _):
                    asyncio.run(drain(stack, measured, self._number(10_000 if self._long else 2_000)))
            case Part.OVERLOAD:
                with _stack(_TARGET) as (stack, _):
                    asyncio.run(self._driven(stack, measured, part))
            case Part.SOAK:
                with _stack() as (stack, _):
                    asyncio.run(self._driven(stack, measured, part))
        self._run.parts[part] = measured.figures
        show(console, part, measured.figures)
        self._run.write(self._file)

    def _number(self, usual: int) -> int:
        return max(1, int(usual * self._scale))

    def _stored(self) -> list[int]:
        steps = [1_000, 10_000, *([100_000] if self._long else [])]
        return [self._number(step) for step in steps]

    async def _load(self, stack: LocalStack, measured: Measured) -> None:
        async with Driver(stack) as driver:
            await driver.drive(20, 4)
            for _ in range(self._repetitions):
                for guests, orders in _LOAD.items():
                    driven = await driver.drive(self._number(orders), guests)
                    note(measured, driven, f"{guests} guests", parts=guests == 8)

    async def _driven(self, stack: LocalStack, measured: Measured, part: Part) -> None:
        async with Driver(stack) as driver:
            await driver.drive(20, 4)
            if part is Part.SOAK:
                await soak(driver, measured, minutes=(30 if self._long else 5) * self._scale)
            else:
                await overload(driver, measured, seconds=(60 if self._long else 20) * self._scale)


@contextmanager
def _stack(extra_env: Mapping[str, str] | None = None) -> Iterator[tuple[LocalStack, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="bellhop-bench-") as folder,
        LocalStack(Path(folder), quiet=True, extra_env=extra_env) as stack,
    ):
        yield stack, Path(folder)


if __name__ == "__main__":
    typer.run(main)
