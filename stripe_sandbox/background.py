"""The sandbox's background tasks: a failure is logged and the task continues."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger("stripe_sandbox")

_PAUSE = 1.0


def start(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """Start work in the background. After an unforeseen error it is logged and started again, a second later."""
    return asyncio.create_task(_until_done(work, name), name=name)


async def _until_done(work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            log.exception("sandbox.background_failed", task=name)
            await asyncio.sleep(_PAUSE)
        else:
            return
