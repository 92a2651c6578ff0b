"""The services' logs during a simulation: kept in memory, cheap, and shown when a law is broken."""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from structlog._config import BoundLoggerLazyProxy
from structlog.contextvars import get_contextvars

from tests.simulation.loop import PROCESS, START, SimulatedLoop
from tests.simulation.sealing import PROJECT


class Recording:
    """The newest entries of all processes."""

    def __init__(self, loop: SimulatedLoop, kept: int = 4000) -> None:
        self._loop = loop
        self.entries: deque[tuple[float, str, str, str, dict[str, Any]]] = deque(maxlen=kept)
        self.counts: dict[str, int] = {}
        self.ended: set[object] = set()
        """Ids of the messages that a consumer has handled, put off, dead-lettered or dropped."""

    def _record(self, level: str, event: str, fields: dict[str, Any]) -> None:
        process = PROCESS.get(self._loop.world).name
        self.entries.append((self._loop.time(), process, level, event, fields))
        self.counts[event] = self.counts.get(event, 0) + 1
        if event.startswith("message."):
            self.ended.add(get_contextvars().get("message_id"))

    def debug(self, event: str, **fields: Any) -> None:
        if event.startswith("message."):
            self._record("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._record("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._record("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._record("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        self._record("error", event, fields | {"exception": repr(sys.exc_info()[1])})

    critical = error

    def about(self, *words: str) -> Iterator[str]:
        """Readable lines of the entries that name any of these words."""
        for at, process, level, event, fields in self.entries:
            shown = " ".join(f"{name}={value}" for name, value in fields.items())
            line = f"{clock(at)} {process:20} {level:7} {event} {shown}"
            if not words or any(word in line for word in words):
                yield line


@cache
def _loggers(_modules: int) -> tuple[tuple[Any, str, Any], ...]:
    return tuple(
        (module, name, value)
        for module_name, module in list(sys.modules.items())
        if module_name.partition(".")[0] in PROJECT
        for name, value in list(vars(module).items())
        if isinstance(value, BoundLoggerLazyProxy)
    )


@contextmanager
def recorded(recording: Recording) -> Iterator[None]:
    """Every project module logs into this recording."""
    places = _loggers(len(sys.modules))
    for module, name, _ in places:
        setattr(module, name, recording)
    try:
        yield
    finally:
        for module, name, logger in places:
            setattr(module, name, logger)


def clock(seconds: float) -> str:
    """A time of a history, in seconds since its start, as `bellhop trace` shows it: UTC."""
    return f"{datetime.fromtimestamp(START + seconds, UTC):%H:%M:%S.%f}"[:-3]
