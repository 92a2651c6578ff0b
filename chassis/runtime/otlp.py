"""OpenTelemetry's SDK and its exporter over OTLP/HTTP: the only file that imports them, loaded if a collector is named.

Spans wait in a bounded queue (OTEL_BSP_MAX_QUEUE_SIZE) for a thread that exports them in batches. A collector that is
down, hangs or refuses costs spans, and a warning a minute; no message waits for it.
"""

import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from chassis.runtime.log_throttle import LogThrottle
from chassis.runtime.tracing import Kind, Value

_WARN_EVERY = 60.0
"""Seconds."""

_FOLLOWS = (Kind.CLIENT, Kind.PRODUCER)
"""Under the current span by themselves. What comes from outside is not: its task may have been started in a span."""

_root: ContextVar[str | None] = ContextVar("trace of the next root span", default=None)


class _TraceIds(RandomIdGenerator):
    """Random ids, except for the trace that is named for the next root span."""

    def generate_trace_id(self) -> int:
        named = _root.get()
        return int(named, 16) if named else super().generate_trace_id()


class _Throttled(logging.Filter):
    """One of the SDK's warnings a minute: with a collector that is down there would be one for each batch, or span."""

    def __init__(self) -> None:
        super().__init__()
        self._throttle = LogThrottle(_WARN_EVERY)

    def filter(self, record: logging.LogRecord) -> bool:
        held_back = self._throttle.admit()
        if held_back is None:
            return False
        record.msg = f"spans are not exported: {record.getMessage()[:300]} ({held_back} more warnings before)"
        record.args = ()
        record.exc_info = None
        return True


class OtlpSpan:
    """A span of the SDK."""

    __slots__ = ("_span", "_token", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[context.Context] | None = None
        ids = span.get_span_context()
        sampled = ids.trace_flags & trace.TraceFlags.SAMPLED
        self.traceparent: str | None = f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{sampled:02x}"

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error_type: str) -> None:
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        if self._token is not None:
            context.detach(self._token)
        self._span.end()


class OtlpTracer:
    """Makes spans of the SDK."""

    def __init__(self, provider: TracerProvider, version: str) -> None:
        self._provider = provider
        # Not the global provider: what a library would trace by itself is not for others (addresses, queries).
        self._tracer = provider.get_tracer("bellhop", version)

    @classmethod
    def exporting(cls, service: str, version: str, environ: Mapping[str, str]) -> Self:
        """Export to the collector that the environment names. The SDK reads its variables itself."""
        throttled = _Throttled()
        for name in ("sdk.trace", "sdk._shared_internal", "exporter.otlp.proto.http.trace_exporter"):
            logging.getLogger(f"opentelemetry.{name}").addFilter(throttled)
        return cls.through(BatchSpanProcessor(OTLPSpanExporter()), service, version, environ)

    @classmethod
    def through(cls, processor: SpanProcessor, service: str, version: str, environ: Mapping[str, str]) -> Self:
        own: dict[str, Any] = {SERVICE_VERSION: version, "service.namespace": "bellhop"}
        if not environ.get("OTEL_SERVICE_NAME"):
            own[SERVICE_NAME] = service
        provider = TracerProvider(resource=Resource.create(own), id_generator=_TraceIds(), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        return cls(provider, version)

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
    ) -> OtlpSpan:
        under = context.Context()
        if parent is not None:
            under = trace.set_span_in_context(trace.NonRecordingSpan(_ids(parent)), under)
        elif kind in _FOLLOWS:
            under = context.get_current()
        token = _root.set(trace_id)
        try:
            span = self._tracer.start_span(
                name,
                under,
                trace.SpanKind[kind],
                dict(attributes),
                [trace.Link(_ids(link)) for link in links],
                start_time=began,
            )
        finally:
            _root.reset(token)
        return OtlpSpan(span)

    def is_inside(self) -> bool:
        return trace.get_current_span().is_recording()

    def fail_current(self, error_type: str) -> None:
        OtlpSpan(trace.get_current_span()).fail(error_type)

    def shut_down(self) -> None:
        self._provider.shutdown()


def _ids(traceparent: str) -> trace.SpanContext:
    _version, trace_id, span_id, flags = traceparent.split("-")
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16) & 1)
    )
