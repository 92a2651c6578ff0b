"""The spans of sending and handling messages, with the attributes that OpenTelemetry has for them.

https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/
"""

from chassis.messaging.envelope import Delivery, Envelope
from chassis.messaging.headers import ATTEMPT_TRACEPARENT, REPLAY_PLAN, text
from chassis.messaging.provenance import Arrival
from chassis.runtime import tracing
from chassis.runtime.tracing import Kind, Span, Value
from contracts.ids import MAX_ID


def of_sending(envelope: Envelope) -> Span:
    """Under what caused the message, else in the trace of its order."""
    return tracing.begin(
        f"send {envelope.kind}",
        Kind.PRODUCER,
        parent=envelope.traceparent,
        order_id=getattr(envelope.message, "order_id", None),
        attributes=_attributes("send", envelope.exchange, envelope.message_id),
    )


def of_handling(
    queue: str, arrival: Arrival, delivery: Delivery, kind: str, order_id: str | None, began: int | None
) -> Span:
    """A retry is linked to the attempt that failed first, a replay to the original."""
    headers = {} if arrival.is_first else arrival.headers
    is_replay = text(headers, REPLAY_PLAN) is not None
    return tracing.begin(
        f"process {kind}",
        Kind.CONSUMER,
        parent=None if is_replay and tracing.is_on() else delivery.traceparent,
        order_id=order_id,
        links=(text(headers, ATTEMPT_TRACEPARENT), delivery.traceparent if is_replay else None),
        attributes=_attributes("process", queue, delivery.message_id[:MAX_ID]) | {"bellhop.attempt": delivery.attempt},
        began=began,
    )


def of_live_view(queue: str, arrival: Arrival) -> Span:
    """Passing an event to live views."""
    return tracing.begin(
        f"process {arrival.kind}",
        Kind.CONSUMER,
        parent=text(arrival.headers, "traceparent"),
        attributes=_attributes("process", queue),
    )


def _attributes(operation: str, destination: str, message_id: str | None = None) -> dict[str, Value]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": operation,
        "messaging.destination.name": destination,
        **({} if message_id is None else {"messaging.message.id": message_id}),
    }
