"""The calls to the PSP that one message leads to, kept for whoever traces an order."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_SUBJECT = re.compile(rb'\s*\{\s*"id":\s*"([A-Za-z]+_\w+)"')

NOTED_CALLS = 4
"""How many calls a note tells of: the newest. An answer that takes more pages than that is no guest's."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the PSP. `status` None: it was not answered."""

    began: datetime
    method: str
    path: str
    status: int | None
    milliseconds: int
    subject: str | None = None

    @classmethod
    def to(
        cls, began: datetime, method: str, url: str, status: int | None, milliseconds: float, answer: bytes = b""
    ) -> "Call":
        """Keeps the path and the id of the object that was answered, never keys, parameters or bodies."""
        subject = _SUBJECT.match(answer)
        named = subject.group(1).decode() if subject else None
        return cls(began, method.upper(), urlsplit(url).path, status, round(milliseconds), named)

    def __str__(self) -> str:
        answered = "not answered" if self.status is None else str(self.status)
        named = f", {self.subject}" if self.subject and self.subject not in self.path else ""
        clock = self.began.strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {self.method} {self.path} {answered} in {self.milliseconds} ms{named}"


_recorded: ContextVar[list[Call] | None] = ContextVar("recorded", default=None)


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Whatever is asked of the PSP in here, as it is asked."""
    calls: list[Call] = []
    token = _recorded.set(calls)
    try:
        yield calls
    finally:
        _recorded.reset(token)


def record(call: Call) -> None:
    """Remember a call for whoever is recording, if anybody is."""
    calls = _recorded.get()
    if calls is not None:
        calls.append(call)


def noted(calls: list[Call]) -> Mapping[str, str]:
    """The calls as a note of what they led to."""
    return {"psp": "; ".join(str(call) for call in calls[-NOTED_CALLS:])} if calls else {}
