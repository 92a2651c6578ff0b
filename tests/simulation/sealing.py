"""Seals the interpreter off while a simulation runs: time, ids and chance come from the seed, the rest is an error.

Project modules that took a function by name (`from time import monotonic`), as a default argument or as the class
`datetime` are found by identity and get the simulated one for the time of the run. Libraries call through the module
(`time.time()`), where it is replaced as well.
"""

import gc
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import cache
from random import Random
from types import FunctionType, ModuleType
from typing import Any

from tests.simulation.loop import START, SimulatedLoop

PROJECT = frozenset(
    (
        "chassis",
        "contracts",
        "extras_service",
        "gateway",
        "notifications",
        "ops",
        "payment_service",
        "psp_adapter",
        "stripe_sandbox",
        "webhooks",
    )
)

_RealDatetime = datetime


class _Sealed:
    loop: SimulatedLoop
    random: Random
    thread: int | None = None
    """The thread that simulates. Others, such as a driver's of an earlier test, keep the real world."""


_now = _Sealed()


def _is_inside() -> bool:
    return threading.get_ident() == _now.thread


def _inside(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **named: Any) -> Any:
        return (simulated if _is_inside() else real)(*args, **named)

    return call


def _unix() -> float:
    return _now.loop.unix_time()


def _clock(real: Callable[[], float], start: float) -> Callable[[], float]:
    """As `_inside`, in one call: clocks are read all the time."""

    def read() -> float:
        return start + _now.loop.time() if threading.get_ident() == _now.thread else real()

    return read


class _IsDatetime(type(_RealDatetime)):  # type: ignore[misc]
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _RealDatetime)


class SimulatedDatetime(_RealDatetime, metaclass=_IsDatetime):
    """`datetime` whose `now` is the simulation's. What it makes are ordinary datetimes."""

    def __new__(cls, *args: Any, **named: Any) -> Any:
        return _RealDatetime(*args, **named)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return _RealDatetime.fromtimestamp(_unix(), tz) if _is_inside() else _RealDatetime.now(tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(UTC).replace(tzinfo=None)

    @classmethod
    def fromtimestamp(cls, timestamp: float, tz: tzinfo | None = None) -> Any:
        return _RealDatetime.fromtimestamp(timestamp, tz)

    @classmethod
    def fromisoformat(cls, text: str) -> Any:
        return _RealDatetime.fromisoformat(text)

    @classmethod
    def combine(cls, *args: Any, **named: Any) -> Any:
        return _RealDatetime.combine(*args, **named)


def _uuid4() -> uuid.UUID:
    return uuid.UUID(int=_now.random.getrandbits(128), version=4)


def _bytes(number: int | None = None) -> bytes:
    return _now.random.randbytes(32 if number is None else number)


def _hex(number: int | None = None) -> str:
    return _bytes(number).hex()


def _drawn(name: str) -> Callable[..., Any]:
    """A function of the module `random`, on the seed's numbers."""

    def draw(*args: Any, **named: Any) -> Any:
        return getattr(_now.random, name)(*args, **named)

    return draw


def _forbidden(what: str) -> Callable[..., Any]:
    def forbidden(*args: Any, **_named: Any) -> Any:
        named = getattr(args[0], "name", "") if args else ""
        raise _now.loop.escape(f"{what} {named}".strip())

    return forbidden


_SIMULATED: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (time, "time_ns", lambda: int(_unix() * 1e9)),
    (time, "monotonic_ns", lambda: int(_now.loop.time() * 1e9)),
    (time, "perf_counter_ns", lambda: int(_now.loop.time() * 1e9)),
    (time, "sleep", _forbidden("time.sleep")),
    (uuid, "uuid4", _uuid4),
    (uuid, "uuid1", _uuid4),
    (os, "urandom", _bytes),
    (secrets, "token_bytes", _bytes),
    (secrets, "token_hex", _hex),
    (secrets, "token_urlsafe", _hex),
    (secrets, "randbelow", _drawn("randrange")),
    (secrets, "choice", _drawn("choice")),
    *(
        (random, name, _drawn(name))
        for name in ("random", "uniform", "randint", "randrange", "choice", "shuffle", "sample", "getrandbits")
    ),
    (threading.Thread, "start", _forbidden("a thread")),
    (socket.socket, "__init__", _forbidden("a socket")),
    (subprocess.Popen, "__init__", _forbidden("a process of its own")),
)
_CLOCKS = ((time, "time", START), (time, "monotonic", 0.0), (time, "perf_counter", 0.0))
_REPLACED = (
    *((owner, name, _clock(getattr(owner, name), start)) for owner, name, start in _CLOCKS),
    *((owner, name, _inside(getattr(owner, name), new)) for owner, name, new in _SIMULATED),
)


@cache
def _originals() -> dict[int, Any]:
    """What replaces which object, by the identity of the original."""
    found = {id(getattr(owner, name)): new for owner, name, new in _REPLACED if isinstance(owner, ModuleType)}
    return found | {id(_RealDatetime): SimulatedDatetime}


Place = tuple[Any, str, Any, Any]
"""Where a project module holds an original: the object, the attribute, the original, the simulated one."""


@cache
def _places(_modules: int) -> tuple[Place, ...]:
    """Looked for again once more modules are imported."""
    replaced, found = _originals(), []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in PROJECT:
            continue
        for attribute, value in list(vars(module).items()):
            if id(value) in replaced:
                found.append((module, attribute, value, replaced[id(value)]))
            for function in _functions_of(value, name):
                found += _defaults_of(function, replaced)
    return tuple(found)


def _functions_of(value: Any, module: str) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType) and value.__module__ == module:
        yield value
    elif isinstance(value, type) and value.__module__ == module:
        for member in list(vars(value).values()):
            function = getattr(member, "__func__", member)
            if isinstance(function, FunctionType):
                yield function


def _defaults_of(function: FunctionType, replaced: dict[int, Any]) -> Iterator[Place]:
    for attribute in ("__defaults__", "__kwdefaults__"):
        before = getattr(function, attribute)
        if not before:
            continue
        if isinstance(before, dict):
            after: Any = {name: replaced.get(id(value), value) for name, value in before.items()}
        else:
            after = tuple(replaced.get(id(value), value) for value in before)
        if after != before:
            yield function, attribute, before, after


@contextmanager
def sealed(loop: SimulatedLoop, seed: int) -> Iterator[None]:
    """Only what this loop and this seed give gets in."""
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in _REPLACED]
    places = _places(len(sys.modules))
    _now.loop, _now.random = loop, Random(f"ids {seed}")  # noqa: S311 - chance for tests, not for secrets
    _now.thread = threading.get_ident()
    was_collecting = gc.isenabled()
    gc.disable()  # when a cycle is collected is no part of a history
    for owner, name, new in _REPLACED:
        setattr(owner, name, new)
    for owner, name, _, new in places:
        setattr(owner, name, new)
    try:
        yield
    finally:
        loop.close()
        _now.thread = None
        for owner, name, old in kept:
            setattr(owner, name, old)
        for owner, name, old, _ in places:
            setattr(owner, name, old)
        if was_collecting:
            gc.enable()
