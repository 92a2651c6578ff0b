"""Spans: which trace they begin in, what strangers cannot do to them, and what a collector that fails costs."""

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Message, Receive, Scope, Send

from chassis.runtime import tracing
from chassis.runtime.otlp import _Throttled
from chassis.runtime.tracing import Kind, trace_id_of, trace_id_of_order
from chassis.web.request_trace import RequestTrace, trace_id_for, traceparent_for
from tests.support.collector import kept_spans

ORDER = "ord_k7v6uwprt2o4wrr7lfojjggj45"
STRANGERS = "00-" + "a" * 32 + "-" + "b" * 16 + "-00"
URL = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    with kept_spans() as spans:
        yield spans


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({URL: ""}, False),
        ({URL: "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({URL: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({URL: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "gateway"}, False),
    ],
)
def test_a_collector_must_be_named(environ: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(environ) is wanted


def test_without_a_collector_nothing_of_the_sdk_is_loaded() -> None:
    code = (
        "import sys, chassis.messaging.consumer, chassis.storage.store\n"
        "from chassis.runtime import tracing\n"
        "tracing.start('gateway', '0', {})\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )

    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert said.stdout == "[]\n"


def test_without_a_collector_a_traceparent_is_handed_on_as_it_is() -> None:
    with tracing.begin("x", Kind.CONSUMER, parent="anything", order_id=ORDER) as span:
        assert span.traceparent == "anything"
    assert tracing.inside("x", Kind.CLIENT, {}).__enter__() is None
    assert tracing.now_ns() is None


def test_spans_about_an_order_without_a_parent_are_in_its_trace(kept: InMemorySpanExporter) -> None:
    with tracing.begin("a", Kind.SERVER, order_id=ORDER) as first:
        pass
    with tracing.begin("b", Kind.CONSUMER, parent=first.traceparent, order_id="ord_other"):
        pass
    with tracing.begin("c", Kind.SERVER, order_id="no order: " + "x" * 99) as other:
        pass

    a, b, c = kept.get_finished_spans()
    assert trace_id_of(first.traceparent) == trace_id_of_order(ORDER)
    assert a.parent is None
    assert b.parent is not None
    assert b.parent.span_id == a.context.span_id
    assert trace_id_of(other.traceparent) not in (None, trace_id_of_order(ORDER))
    assert c.attributes == {}


@pytest.mark.parametrize(
    "broken", ["00-11-22-01", "", "x" * 55, "00-" + "0" * 32 + "-" + "b" * 16 + "-01", STRANGERS + "\n"]
)
def test_what_is_no_traceparent_is_neither_parent_nor_link(kept: InMemorySpanExporter, broken: str) -> None:
    with tracing.begin("a", Kind.CONSUMER, parent=broken, links=(broken, None)):
        pass

    (span,) = kept.get_finished_spans()
    assert span.parent is None
    assert span.links == ()


async def test_a_strangers_traceparent_decides_nothing_and_is_a_link(kept: InMemorySpanExporter) -> None:
    followed: list[str | None] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        followed.append(traceparent_for(scope, ORDER))
        assert trace_id_for(scope) == {"trace_id": trace_id_of_order(ORDER)}
        await send({"type": "http.response.start", "status": 503})

    await _request(RequestTrace(app), traceparent=STRANGERS)

    (span,) = kept.get_finished_spans()
    assert trace_id_of(followed[0]) == trace_id_of_order(ORDER)
    assert span.parent is None
    assert [f"{link.context.trace_id:x}" for link in span.links] == ["a" * 32]
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 503
    assert not span.status.is_ok


async def test_without_a_collector_the_trace_of_a_request_is_its_own() -> None:
    found: list[dict[str, str]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append(trace_id_for(scope))

    await _request(RequestTrace(app), traceparent=STRANGERS)
    await _request(RequestTrace(app), traceparent="x")

    assert found == [{"trace_id": "a" * 32}, {}]


def test_of_an_error_only_the_type_is_recorded(kept: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Ada"), tracing.begin("a", Kind.CONSUMER):
        raise ValueError("Ada Lovelace")

    (span,) = kept.get_finished_spans()
    assert span.attributes == {"error.type": "ValueError"}
    assert "Ada" not in span.to_json()


def test_a_collector_that_hangs_delays_nothing_and_no_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        monkeypatch.setenv(URL, url)
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "600")
        tracing.start("tests", "0", {URL: url})
        assert tracing.is_on()
        for _ in range(2000):
            with tracing.begin("a", Kind.CONSUMER):
                pass
        began = monotonic()
        tracing.stop(0.2)

    assert monotonic() - began < 5
    assert not tracing.is_on()


def test_wrong_variables_stop_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")

    tracing.start("tests", "0", {URL: "http://127.0.0.1:9"})

    tracing.stop(0.2)


def test_warnings_are_throttled() -> None:
    throttled = _Throttled()
    records = [
        logging.LogRecord("x", logging.WARNING, "", 0, "Queue full, dropping %s.", ("Span",), None) for _ in "abc"
    ]

    assert [throttled.filter(record) for record in records] == [True, False, False]
    assert records[0].getMessage() == "spans are not exported: Queue full, dropping Span. (0 more warnings before)"


async def _request(app: RequestTrace, **headers: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None: ...

    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "method": "POST", "path": "/v1/orders", "headers": fields}, receive, send)
