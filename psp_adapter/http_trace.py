"""Captures the HTTP calls to the PSP that one message leads to, for tracing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from urllib.parse import urlsplit

from chassis.runtime.tracing import Kind, Value
from contracts.trace_headers import PspCall

_ID = re.compile(r"[A-Za-z]+_\w*\d\w*")
_SUBJECT = re.compile(rb'\s*\{\s*"id":\s*"([A-Za-z]+_\w+)"')


def call_of(
    began: datetime, method: str, url: str, status: int | None, milliseconds: float, answer: bytes = b""
) -> PspCall:
    """Keeps the path and the answered object's id, never keys, parameters or bodies."""
    subject = _SUBJECT.match(answer)
    named = subject.group(1).decode() if subject else None
    return PspCall(began, method.upper(), urlsplit(url).path, status, round(milliseconds), named)


def span_of(method: str, url: str) -> tuple[str, Kind, dict[str, Value]]:
    """Name, kind and attributes of the span of a call. Queries and the parts of a path that are ids are left out."""
    address = urlsplit(url)
    route = "/".join("{id}" if _ID.fullmatch(part) else part for part in address.path.split("/"))
    attributes: dict[str, Value] = {
        "http.request.method": method.upper(),
        "server.address": address.hostname or "",
        "url.template": route,
    }
    return f"{method.upper()} {route}", Kind.CLIENT, attributes


_captured: ContextVar[list[PspCall] | None] = ContextVar("captured", default=None)


@contextmanager
def capture() -> Iterator[list[PspCall]]:
    """Yield a list that collects the calls to the PSP made inside the block."""
    calls: list[PspCall] = []
    token = _captured.set(calls)
    try:
        yield calls
    finally:
        _captured.reset(token)


def record(call: PspCall) -> None:
    """Add a call to the innermost `capture`, if there is one."""
    calls = _captured.get()
    if calls is not None:
        calls.append(call)
