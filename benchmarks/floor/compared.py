"""Bellhop and the floor in one run, in turns: both stacks run at the same time, and only one has guests."""

from pathlib import Path

from benchmarks.driver import Driver, note
from benchmarks.figures import Measured
from benchmarks.floor.stack import floor_stack
from benchmarks.processes import sums
from deploy.local.stack import LocalStack

GUESTS = 8


async def compare(stack: LocalStack, folder: Path, measured: Measured, orders: int, repetitions: int) -> None:
    """Drive so many orders through each, so often."""
    with floor_stack(folder) as floor:
        async with Driver(stack) as bellhop, Driver(floor) as bare:
            for driver in (bellhop, bare):
                await driver.drive(20, 4)
            for _ in range(repetitions):
                of_floor, ours = await bare.drive(orders, GUESTS), await bellhop.drive(orders, GUESTS)
                note(measured, of_floor, "floor")
                note(measured, ours, "bellhop")
                for name, spent in sums(ours.processor).items():
                    measured.note(f"processor, {name}: bellhop / floor", "x", spent / sums(of_floor.processor)[name])
