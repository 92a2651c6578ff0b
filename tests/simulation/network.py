"""What lies between a process and a server: time passes, and what was sent may arrive although its sender is dead."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NoReturn, TypeVar

from tests.simulation.loop import SimulatedLoop

T = TypeVar("T")


@dataclass(slots=True)
class Latency:
    """Seconds one way: most of the time `usual`, and now and then up to `worst`."""

    usual: float = 0.001
    worst: float = 0.05
    slow: float = 0.02
    """How often it takes longer."""

    def drawn(self, random: Random) -> float:
        chance = random.random()
        if chance < self.slow:
            return self.worst * random.random()
        return self.usual * (0.2 + chance)


class Line:
    """One direction of a connection: what is sent first arrives first."""

    __slots__ = ("_context", "_latency", "_loop", "_random", "_until")

    def __init__(self, loop: SimulatedLoop, random: Random, latency: Latency) -> None:
        self._loop = loop
        self._random = random
        self._latency = latency
        self._until = 0.0
        self._context = loop.world.context

    def send(self, arrive: Callable[..., Any], *args: Any) -> None:
        """Let this happen at the other end, in the world's own context: nothing a sender does later takes it back."""
        self._until = max(self._until, self._loop.time() + self._latency.drawn(self._random))
        self._loop.call_at(self._until, arrive, *args, context=self._context)


class Wire:
    """Requests and answers that do not wait for each other, as over a pool of connections."""

    def __init__(self, loop: SimulatedLoop, random: Random, latency: Latency) -> None:
        self.loop = loop
        self.random = random
        self.latency = latency

    def ask(self, serve: Callable[[], T], *, answer_after: float = 0.0) -> "asyncio.Future[T]":
        """`serve` runs at the server, in the world's context; its result or error comes back after a while."""
        future: asyncio.Future[T] = self.loop.create_future()
        context = self.loop.world.context
        self.loop.call_at(self._later(), self._arrive, serve, future, answer_after, context=context)
        return future

    def _arrive(self, serve: Callable[[], T], future: "asyncio.Future[T]", answer_after: float) -> None:
        try:
            set_answer, answer = _set_result, serve()
        except Exception as error:
            set_answer, answer = _set_exception, error  # type: ignore[assignment]
        at = self._later() + answer_after
        self.loop.call_at(at, set_answer, future, answer, context=self.loop.world.context)

    def fail(self, after: float, error: Exception) -> "asyncio.Future[NoReturn]":
        """Nothing comes back but an error of the client's own, after a while."""
        future: asyncio.Future[NoReturn] = self.loop.create_future()
        self.loop.call_at(self.loop.time() + after, _set_exception, future, error, context=self.loop.world.context)
        return future

    def _later(self) -> float:
        return self.loop.time() + self.latency.drawn(self.random)


class Outside:
    """A server that is not Bellhop's, and the way to it: it goes down and comes back."""

    def __init__(self, loop: SimulatedLoop, random: Random, latency: Latency) -> None:
        self.random = random
        self.wire = Wire(loop, random, latency)
        self.is_up = True
        self._loop = loop

    def go_down(self, seconds: float) -> None:
        self.is_up = False
        self._loop.call_at(self._loop.time() + seconds, self.come_back, context=self._loop.world.context)

    def come_back(self) -> None:
        self.is_up = True


def _set_result(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
