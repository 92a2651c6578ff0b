"""The spans of a paid order, as a collector gets them."""

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from chassis.runtime import tracing
from chassis.runtime.tracing import trace_id_of_order
from tests.support.collector import Collector, collector
from tests.support.guest import JWT_SECRET, body
from tests.support.system import API_KEY, WEBHOOK_SECRET, System
from tests.support.waiting import until

STEPS = """
POST /v1/orders
  send orders.place-order.v1
    process orders.place-order.v1
      send orders.order-pending-payment.v1
        process orders.order-pending-payment.v1 @ gateway.live
POST /v1/orders/{order_id}/payment-session
  send orders.start-payment.v1
    process orders.start-payment.v1
      send payments.create-payment-session.v1
        process payments.create-payment-session.v1
          send psp.create-psp-session.v1
            process psp.create-psp-session.v1
              POST /v1/payment_intents
              send psp.psp-session-created.v1
                process psp.psp-session-created.v1
                  send payments.payment-session-created.v1
                    process payments.payment-session-created.v1
POST /webhooks/stripe
  send psp.psp-payment-succeeded.v1
    process psp.psp-payment-succeeded.v1
      send payments.payment-succeeded.v1
        process payments.payment-succeeded.v1
          send orders.order-confirmed.v1
            process orders.order-confirmed.v1 @ gateway.live
          send receipts.receipt-issued.v1
            process receipts.receipt-issued.v1
"""
"""docs/architecture.md, steps 2 to 14, with the receipt. The guest's browser has steps 1, 4 and 10."""
PAID = "process payments.payment-succeeded.v1"
STORE = ("read ", "write ", "sweep ", "clear ")
ATTRIBUTES = {
    "bellhop.attempt",
    "bellhop.order_id",
    "bellhop.outcome",
    "db.collection.name",
    "db.operation.name",
    "db.system.name",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "messaging.destination.name",
    "messaging.message.id",
    "messaging.operation.type",
    "messaging.system",
    "server.address",
    "url.template",
}
"""Whatever else a span held would be new to docs/privacy.md."""


async def test_the_spans_of_a_paid_order_are_its_14_steps(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    guest = system.guest()
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        tracing.start("bellhop", "0", {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url})
        try:
            order_id = (await guest.order())["order_id"]
            session = await guest.session(order_id)
            body(await system.pay(session), 200)
            spans = await until(lambda: complete(collected, order_id), "the spans of the order are exported")
        finally:
            tracing.stop(5)

    assert "\n".join(tree(spans)) == STEPS.strip()
    assert {span.name for span in spans if span.name.startswith("write ")} >= {"write orders", "write payments"}
    assert {attribute.key for span in spans for attribute in span.attributes} == ATTRIBUTES
    everything = str(spans)
    for secret in (session["client_secret"], API_KEY, WEBHOOK_SECRET, JWT_SECRET, "guest-", "Bearer"):
        assert secret not in everything


async def complete(collected: Collector, order_id: str) -> list[Span] | None:
    spans = [span for span in collected.spans if span.trace_id.hex() == trace_id_of_order(order_id)]
    ends = {queue_of(span) for span in spans if span.name in ("process receipts.receipt-issued.v1", PAID)}
    return spans if ends >= {"extras.receipts", "extras.payments"} else None


def queue_of(span: Span) -> str:
    """The queue of a consumer's span; empty for others."""
    said = (each.value.string_value for each in span.attributes if each.key == "messaging.destination.name")
    return next(said, "") if span.kind == Span.SPAN_KIND_CONSUMER else ""


def tree(spans: list[Span]) -> list[str]:
    """Each span of a step, indented under its parent, in the order of their beginnings. Not those of the store, and of
    the services that only listen."""
    steps = [
        span
        for span in sorted(spans, key=lambda each: each.start_time_unix_nano)
        if not span.name.startswith(STORE) and not queue_of(span).startswith(("mail.", "hooks."))
    ]
    lines: list[str] = []

    def add(parent: bytes, depth: int) -> None:
        for span in steps:
            if span.parent_span_id == parent:
                at = " @ gateway.live" if queue_of(span).startswith("gateway.live") else ""
                lines.append(f"{'  ' * depth}{span.name}{at}")
                add(span.span_id, depth + 1)

    add(b"", 0)
    return lines
