"""The one way to start work in the background: named, and never ended unseen.

`asyncio.create_task` alone keeps an error until the task is collected, which may be never.
tests/unit/test_background.py holds the project to this module. The sandbox imports nothing of Bellhop and has its own.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

ResultT = TypeVar("ResultT")


def start(work: Coroutine[Any, Any, ResultT], name: str) -> asyncio.Task[ResultT]:
    """Start work in the background. The caller keeps the task; an error that ends it is logged at once."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background.failed", task=task.get_name(), exc_info=error)
