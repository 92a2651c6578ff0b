"""What a simulated process is: callbacks that run in order, and end together."""

import asyncio
import contextvars
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any


class EscapeError(BaseException):
    """Something reached for the real world: a thread, a socket, a sleep, a file descriptor of the loop."""


class StuckError(Exception):
    """What is awaited can never come: no timer is left, or so much happened that it must be going in circles."""


class Period(float):
    """A pause between two rounds of periodic work. While nothing else happens, it may take longer."""


class Process:
    """What runs together and dies together. Once dead, none of its callbacks runs again, not even a `finally`."""

    __slots__ = ("alive", "context", "digest", "name", "queue", "started")

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = zlib.crc32(name.encode())
        self.alive = True
        self.queue: deque[Callback] = deque()
        self.context = contextvars.Context()
        self.context.run(PROCESS.set, self)
        self.started: list[asyncio.Task[Any]] = []
        """Its tasks: kept, because a task that is collected runs its `finally` blocks."""


PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("simulated process")


class Callback:
    __slots__ = ("args", "cancelled_", "context", "function", "process")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], context: contextvars.Context, process: Process
    ) -> None:
        self.function = function
        self.args = args
        self.context = context
        self.process = process
        self.cancelled_ = False

    def cancel(self) -> None:
        self.cancelled_ = True

    def cancelled(self) -> bool:
        return self.cancelled_


class Timer(Callback):
    __slots__ = ("when_",)

    when_: float

    def when(self) -> float:
        return self.when_
