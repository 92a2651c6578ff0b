"""A deterministic event loop: virtual time, and an order of events that depends on the seed alone.

Each simulated process has a queue of its own, in which callbacks run in the order in which they were registered:
asyncio documents that order, and code may rely on it. Which process goes next is drawn from the seed, as in reality
it is up to the machines. When nothing is ready, time jumps to the next timer.
"""

import asyncio
import contextvars
import heapq
import sys
import warnings
from asyncio import events
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from random import Random
from typing import Any, TypeVar, cast

from tests.simulation.process import PROCESS, Callback, EscapeError, Period, Process, StuckError, Timer

__all__ = ["PROCESS", "START", "EscapeError", "Period", "Process", "SimulatedLoop", "StuckError"]

T = TypeVar("T")

START = 1_790_000_000.0
"""Unix time at which every history begins (2026-09-21)."""

_KEPT_TASKS = 256
_MASK = 2**64 - 1

_IDLE_AFTER = 5.0
"""Seconds without a timer of anything but periodic work, after which time passes in longer steps."""


_AnyLoop: Any = asyncio.AbstractEventLoop


class SimulatedLoop(_AnyLoop):  # type: ignore[misc]  # most of what a loop offers has no place here
    """One seed, one history."""

    def __init__(self, seed: int, *, idle_step: float = 120.0, most_steps: int = 2**62) -> None:
        """`idle_step`: seconds by which time goes on at once while only periodic work is to be done."""
        self.random = Random(f"scheduler {seed}")  # noqa: S311 - chance for tests, not for secrets
        self.world = Process("world")
        """The rest of the world: broker, store, PSP and people. It never dies."""
        self.current = self.world
        """The process whose step it is."""
        self._draw = self.random.random
        self.steps = 0
        self.trace = 0
        """A digest of all steps so far."""
        self.escapes: list[EscapeError] = []
        self.unhandled: list[str] = []
        """Errors that no one awaited."""
        self.on_step: dict[int, Callable[[], None]] = {}
        """What happens right after a step, by its number: a crash can be placed after any step."""
        self.idle_step = idle_step
        self._most_steps = most_steps
        self._now = 0.0
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._periodic: list[tuple[float, int, Timer]] = []
        self._registered = 0
        self._processes: list[Process] = []
        self.is_over = False
        self._is_running = False

    def time(self) -> float:
        return self._now

    def unix_time(self) -> float:
        return START + self._now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Callback:
        if context is None:
            context = contextvars.copy_context()
        process = context.get(PROCESS, self.world)
        call = Callback(callback, args, context, process)
        if process.alive and not self.is_over:  # as `_enqueue` does: this is the most frequent call of all
            if not process.queue:
                self._runnable.append(process)
            process.queue.append(call)
        return call

    def _enqueue(self, call: Callback) -> None:
        process = call.process
        if call.cancelled_ or not process.alive or self.is_over:
            return
        if not process.queue:
            self._runnable.append(process)
        process.queue.append(call)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Timer:
        heap = self._periodic if type(delay) is Period else self._timers
        return self._register(heap, self._now + delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> Timer:
        return self._register(self._timers, when, callback, args, context)

    def _register(
        self,
        heap: list[tuple[float, int, Timer]],
        when: float,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> Timer:
        if context is None:
            context = contextvars.copy_context()
        timer = Timer(callback, args, context, context.get(PROCESS, self.world))
        timer.when_ = when
        self._registered += 1
        heapq.heappush(heap, (when, self._registered, timer))
        return timer

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: "Coroutine[Any, Any, T] | Generator[Any, None, T]",
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[T]":
        if self.is_over:
            coro.close()
            ended: Any = self.create_future()
            ended.cancel()
            return cast("asyncio.Task[T]", ended)
        context = context.copy() if context is not None else contextvars.copy_context()
        # A name of asyncio's own counts all tasks of the interpreter.
        task: asyncio.Task[T] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        process = context.get(PROCESS, self.world)
        if not process.started:
            self._processes.append(process)
        process.started.append(task)
        if len(process.started) > _KEPT_TASKS and process.alive:
            process.started[:] = [each for each in process.started if not each.done()]
        return task

    def run_until_complete(self, future: "Coroutine[Any, Any, T] | asyncio.Future[T]") -> T:
        """Run until it is done. Raises StuckError when it never will be, EscapeError for what left the simulation."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._is_running = True
        try:
            task = future if isinstance(future, asyncio.Future) else self.create_task(future)
            self._run(task)
        finally:
            self._is_running = False
            events._set_running_loop(before)
        return task.result()

    def _run(self, until: "asyncio.Future[Any]") -> None:
        """Step after step. Written for speed: a history has hundreds of steps for each order."""
        runnable, draw, on_step, escapes = self._runnable, self._draw, self.on_step, self.escapes
        while not until.done():
            while not runnable:
                self._advance()
            index = int(draw() * len(runnable)) if len(runnable) > 1 else 0
            process = runnable[index]
            queue = process.queue
            call = queue.popleft()
            if not queue:
                runnable[index] = runnable[-1]
                runnable.pop()
            if call.cancelled_ or not process.alive:
                continue
            self.steps += 1
            self.current = process
            self.trace = (self.trace * 31 + process.digest) & _MASK
            try:
                call.context.run(call.function, *call.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except EscapeError:
                pass  # it is among `escapes`
            except BaseException as error:
                self.call_exception_handler({"message": "a callback failed", "exception": error})
            if on_step and (happening := on_step.pop(self.steps, None)) is not None:
                happening()
            if escapes:
                raise escapes[0]
            if self.steps > self._most_steps:
                raise StuckError(f"{self.steps} steps, and no end of it")

    def _advance(self) -> None:
        """Go on to the next timer, and let everything run that is due then."""
        timers, periodic = self._timers, self._periodic
        while timers and timers[0][2].cancelled_:
            heapq.heappop(timers)
        while periodic and periodic[0][2].cancelled_:
            heapq.heappop(periodic)
        if not timers and not periodic:
            raise StuckError("nothing is ready and no timer is left")
        now, soonest = self._now, timers[0][0] if timers else float("inf")
        if periodic and periodic[0][0] < soonest:
            round_at = periodic[0][0]
            if round_at > now and soonest - now > _IDLE_AFTER:
                round_at = max(round_at, min(now + self.idle_step, soonest))
            soonest = min(soonest, round_at)
        if soonest > now:
            self._now = now = soonest
        self.trace = (self.trace * 31 + hash(now)) & _MASK
        while timers and timers[0][0] <= now:
            self._enqueue(heapq.heappop(timers)[2])
        while periodic and periodic[0][0] <= now:
            self._enqueue(heapq.heappop(periodic)[2])

    def kill(self, process: Process) -> None:
        """Stop a process between two steps, as SIGKILL does."""
        process.alive = False
        process.queue.clear()
        if process in self._runnable:
            self._runnable.remove(process)

    def close(self) -> None:
        """The end of a history: what is left of it is thrown away without a further step.

        Coroutines that are thrown away run their `finally` blocks; what these start comes to nothing.
        """
        self.is_over = True
        before = events._get_running_loop()
        events._set_running_loop(self)
        shown, sys.unraisablehook = sys.unraisablehook, _unseen  # a generator may not want to end
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of what was about to be awaited
                for process in self._processes:
                    self._throw_away(process)
        finally:
            events._set_running_loop(before)
            sys.unraisablehook = shown
        self._timers.clear()
        self._periodic.clear()

    def _throw_away(self, process: Process) -> None:
        self.kill(process)
        for task in process.started:
            if not task.done():
                with suppress(BaseException):
                    task.get_coro().close()
        process.started.clear()

    def run_in(self, process: Process, coro: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Start a task of a process."""
        return self.create_task(coro, name=name, context=process.context)

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        """None: tasks are asyncio's own."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.is_over:
            return
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, **_: Any) -> Any:
        raise self.escape("call_soon_threadsafe: there is one thread")

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        raise self.escape(f"a thread for {getattr(func, '__qualname__', func)!r}")

    async def create_connection(self, *_args: Any, **_named: Any) -> Any:
        raise self.escape("a network connection")

    async def create_server(self, *_args: Any, **_named: Any) -> Any:
        raise self.escape("a network server")

    async def getaddrinfo(self, *_args: Any, **_named: Any) -> Any:
        raise self.escape("a look-up of an address")

    def add_reader(self, *_args: Any) -> Any:
        raise self.escape("a file descriptor")

    def add_writer(self, *_args: Any) -> Any:
        raise self.escape("a file descriptor")

    def escape(self, what: str) -> EscapeError:
        """The error for something that does not belong into a simulation; the run ends with it."""
        process = PROCESS.get(self.world).name
        error = EscapeError(f"{process} reached out of the simulation for {what}")
        self.escapes.append(error)
        return error


def _unseen(_unraisable: object) -> None:
    """For what is thrown away."""
