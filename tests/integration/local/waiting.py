"""Waiting for a condition instead of sleeping."""

import time
from collections.abc import Callable

from tests.patience import patient


def eventually(condition: Callable[[], bool], *, what: str, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail, saying what was awaited, when it does not in time."""
    started = time.monotonic()
    while not condition():
        if (waited := time.monotonic() - started) > patient(seconds):
            raise AssertionError(f"waited {waited:.0f} s in vain until {what}")
        time.sleep(0.02)
