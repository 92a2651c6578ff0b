"""Captures the HTTP calls to the PSP that one message leads to, for tracing."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_SUBJECT = re.compile(rb'\s*\{\s*"id":\s*"([A-Za-z]+_\w+)"')

SHOWN_CALLS = 4
"""How many calls a header shows: the newest. Calls that need more pages never come from a guest request."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the PSP. `status` is None if it was not answered."""

    began: datetime
    method: str
    path: str
    status: int | None
    milliseconds: int
    subject: str | None = None

    @classmethod
    def of(
        cls, began: datetime, method: str, url: str, status: int | None, milliseconds: float, answer: bytes = b""
    ) -> "Call":
        """Keeps the path and the answered object's id, never keys, parameters or bodies."""
        subject = _SUBJECT.match(answer)
        named = subject.group(1).decode() if subject else None
        return cls(began, method.upper(), urlsplit(url).path, status, round(milliseconds), named)

    def __str__(self) -> str:
        answered = "not answered" if self.status is None else str(self.status)
        named = f", {self.subject}" if self.subject and self.subject not in self.path else ""
        clock = self.began.strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {self.method} {self.path} {answered} in {self.milliseconds} ms{named}"


_captured: ContextVar[list[Call] | None] = ContextVar("captured", default=None)


@contextmanager
def capture() -> Iterator[list[Call]]:
    """Yield a list that collects the calls to the PSP made inside the block."""
    calls: list[Call] = []
    token = _captured.set(calls)
    try:
        yield calls
    finally:
        _captured.reset(token)


def record(call: Call) -> None:
    """Add a call to the innermost `capture`, if there is one."""
    calls = _captured.get()
    if calls is not None:
        calls.append(call)


def as_header(calls: list[Call]) -> Mapping[str, str]:
    """The calls as a trace header, empty if there are none."""
    return {"psp": "; ".join(str(call) for call in calls[-SHOWN_CALLS:])} if calls else {}
