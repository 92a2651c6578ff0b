"""The only way to start background work: named, and with every failure logged.

`asyncio.create_task` alone keeps an error until the task is collected, which may be never.
tests/unit/test_background.py enforces its use. The sandbox, which imports nothing of Bellhop, has its own.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from chassis.errors import TransientError

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

_CANCEL_AGAIN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Loop:
    """Work repeated at an interval while the service runs."""

    name: str
    every: float
    work: Callable[[], Awaitable[object]]


def start(work: Coroutine[Any, Any, ResultT], name: str) -> asyncio.Task[ResultT]:
    """Start work in the background. The caller keeps the task; an error that ends it is logged at once."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel work and wait until it has ended.

    It is cancelled again every second: `asyncio.wait_for` of Python 3.11, in which the client library opens
    connections, forgets a cancellation that meets its result.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_AFTER)


@asynccontextmanager
async def run_loops(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run background loops. A failure is logged and the loop continues: broker and store may be back by then."""
    tasks = [start(_forever(loop), loop.name) for loop in loops]
    try:
        yield
    finally:
        await stop(*tasks)


async def _forever(loop: Loop) -> None:
    while True:
        await asyncio.sleep(loop.every)
        try:
            await loop.work()
        except asyncio.CancelledError:
            if is_being_cancelled():
                raise
            # A library cancelled one of its own calls; the loop itself was not cancelled.
            log.warning("loop.failed", loop=loop.name, error="a call was cancelled")
        except TransientError as error:
            log.warning("loop.failed", loop=loop.name, error=str(error))
        except Exception:
            log.exception("loop.failed", loop=loop.name)


def is_being_cancelled() -> bool:
    """Whether the current task itself was cancelled. Libraries also raise CancelledError from their internal calls."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background.failed", task=task.get_name(), exc_info=error)
