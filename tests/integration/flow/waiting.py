"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar, overload

from tests.patience import patient

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds on an idle machine; nothing that works takes this long."""


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
        await asyncio.sleep(0.02)
