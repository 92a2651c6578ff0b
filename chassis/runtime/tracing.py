"""Spans of a trace, exported by OpenTelemetry if the environment names a collector; otherwise nothing of it is loaded.

The trace of an order: every span that is about a known order and has no parent begins in one trace, whose id is derived
from the order's id. So the guest's requests, the PSP's webhooks, deadlines and replays of one order meet in one trace
without any of them being stored: docs/decisions/0054-one-trace-per-order.md.
"""

import hashlib
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from time import time_ns
from types import TracebackType
from typing import Protocol, Self

import structlog

from chassis.text import cut

log = structlog.get_logger()

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_LONGEST = 55
_LONGEST_ERROR = 300
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_ORDER = re.compile(r"ord_[0-9a-z]{1,60}")

Value = str | int | bool


class Kind(StrEnum):
    """What a span is to its trace, in OpenTelemetry's words."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """A span under way. As a context manager it is the current one, and ends with the block.

    Of an exception that leaves the block only the type is recorded: its text may name a guest.
    """

    @property
    def traceparent(self) -> str | None:
        """The span in W3C's format, for messages that follow from it; None outside any trace."""

    def set(self, name: str, value: Value) -> None: ...
    def rename(self, name: str) -> None: ...
    def fail(self, error_type: str) -> None: ...
    def end(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str | None,
        trace_id: str | None,
        links: Iterable[str],
        attributes: Mapping[str, Value],
        began: int | None,
    ) -> Span:
        """`trace_id`: the trace to begin in if there is no parent."""

    def is_inside(self) -> bool:
        """Whether there is a current span that is recorded."""

    def fail_current(self, error_type: str) -> None: ...

    def shut_down(self) -> None:
        """Export what is left, however long that takes."""


class _Untraced:
    """Without a collector: hands on the traceparent that it was given."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent

    def set(self, name: str, value: Value) -> None: ...
    def rename(self, name: str) -> None: ...
    def fail(self, error_type: str) -> None: ...
    def end(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None


_NOTHING = nullcontext()
_tracer: Tracer | None = None
"""Of this process, as structlog's configuration is."""


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for an export of spans over OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("otlp", ""):
        return False
    return any(environ.get(f"OTEL_EXPORTER_OTLP{signal}_ENDPOINT", "").strip() for signal in ("", "_TRACES"))


def start(service: str, version: str, environ: Mapping[str, str]) -> None:
    """Trace this process if the environment asks for it. What is wrong with its variables stops no start."""
    if not is_wanted(environ):
        return
    try:
        from chassis.runtime.otlp import OtlpTracer  # noqa: PLC0415  (loads the SDK)

        use(OtlpTracer.exporting(service, version, environ))
    except Exception as error:
        log.error("tracing.off", error=cut(repr(error), _LONGEST_ERROR))


def use(tracer: Tracer | None) -> None:
    """Trace this process with `tracer`; None: not."""
    global _tracer  # noqa: PLW0603
    _tracer = tracer


def stop(within: float) -> None:
    """Export what is left, for at most `within` seconds: a collector that hangs keeps no process."""
    tracer = _tracer
    if tracer is None:
        return
    use(None)
    last = threading.Thread(target=tracer.shut_down, name="last spans", daemon=True)
    last.start()
    last.join(within)


def is_on() -> bool:
    return _tracer is not None


def begin(
    name: str,
    kind: Kind,
    *,
    parent: str | None = None,
    order_id: str | None = None,
    links: Iterable[str | None] = (),
    attributes: Mapping[str, Value] | None = None,
    began: int | None = None,
) -> Span:
    """Begin a span: under `parent`, else in the trace of the order, else in a new trace.

    A parent or a link that is no traceparent is left out. `began`: when, in nanoseconds since 1970, if not now.
    """
    if _tracer is None:
        return _Untraced(parent)
    known = {"bellhop.order_id": order_id} if order_id and _ORDER.fullmatch(order_id) else {}
    return _tracer.begin(
        name,
        kind,
        parent=parent if trace_id_of(parent) else None,
        trace_id=trace_id_of_order(order_id) if order_id and known else None,
        links=[link for link in links if link and trace_id_of(link)],
        attributes={**known, **(attributes or {})},
        began=began,
    )


def inside(name: str, kind: Kind, attributes: Mapping[str, Value]) -> AbstractContextManager[Span | None]:
    """A span under the current one, for calls to the store or the PSP; nothing if there is none."""
    if _tracer is None or not _tracer.is_inside():
        return _NOTHING
    return begin(name, kind, attributes=attributes)


def fail_current(error_type: str) -> None:
    """Mark the current span, if there is one, as failed."""
    if _tracer is not None:
        _tracer.fail_current(error_type)


def now_ns() -> int | None:
    """The time for `began`; None, without reading a clock, if nothing is traced."""
    return None if _tracer is None else time_ns()


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace id in a traceparent (W3C Trace Context); None if it is none."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent and len(traceparent) == _LONGEST else None
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
        return None
    return found[1]


def trace_id_of_order(order_id: str) -> str:
    """The id of an order's trace. Its sampling is decided by it: alike in every process."""
    return hashlib.sha256(f"trace of {order_id}".encode()).hexdigest()[:32]
