"""What came with a message, as far as it is ours and its sender's to say."""

from collections.abc import Callable, Mapping
from typing import Any

from faststream.rabbit.message import RabbitMessage

from chassis.messaging.envelope import Delivery, Failure
from chassis.messaging.headers import ATTEMPT, from_sender, kept, text
from chassis.messaging.provenance import Arrival


def delivery_of(message: RabbitMessage, arrival: Arrival) -> Delivery:
    """What came with a message, read from its AMQP properties and headers."""
    headers = headers_of(arrival)
    return Delivery(
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        kind=arrival.kind,
        causation_id=text(headers, "causation_id"),
        traceparent=text(headers, "traceparent"),
        reply_to=message.reply_to or None,
        attempt=_attempt(headers.get(ATTEMPT)),
        failure=_failure(headers),
    )


def headers_of(arrival: Arrival, redact: Callable[[str], str] = str) -> dict[str, str | int]:
    """Headers of ours; of a first delivery only those that are its sender's to say."""
    return (from_sender if arrival.is_first else kept)(arrival.headers, redact)


def _attempt(header: object) -> int:
    """The attempt a message is on. A sender that says nothing, or nonsense, has its first."""
    return header if isinstance(header, int) and header >= 1 else 1


def _failure(headers: Mapping[str, Any]) -> Failure | None:
    """How the message failed before, if it did."""
    said = [text(headers, name) for name in ("error_type", "error", "first_failed_at")]
    return Failure(*map(str, said)) if all(said) else None
