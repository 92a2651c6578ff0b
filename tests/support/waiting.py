"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic, sleep
from typing import Any, TypeVar, overload

from deploy.local.patience import patient

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds on an idle machine; nothing that works takes this long."""


def pause(waited: float) -> float:
    """Seconds until the next look: a tenth of the time waited so far, 20 ms at first and 0.25 s at most.

    A look may cost as much processor time as a guest's request, which is taken from what is awaited.
    """
    return min(0.25, max(0.02, waited / 10))


@overload
async def until(holds: Callable[[], Awaitable[T | None]], what: str, *, within: float = PATIENCE) -> T: ...
@overload
async def until(holds: Callable[[], T | None], what: str, *, within: float = PATIENCE) -> T: ...
async def until(holds: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Return the first true value of `holds`; fail, saying what was awaited and what was seen last."""
    started = monotonic()
    while True:
        value = holds()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if (waited := monotonic() - started) > patient(within):
            raise AssertionError(f"waited {waited:.0f} s in vain until {what}; last seen: {value!r}")
        await asyncio.sleep(pause(waited))


def eventually(condition: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail, saying what was awaited, when it does not in time."""
    started = monotonic()
    while not condition():
        if (waited := monotonic() - started) > patient(seconds):
            raise AssertionError(f"waited {waited:.0f} s in vain until {what}")
        sleep(pause(waited))
