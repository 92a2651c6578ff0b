"""Reads a Delivery from AMQP properties and headers, trusting only what the sender may set."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from faststream.rabbit.message import RabbitMessage

from chassis.messaging.envelope import Delivery, Failure
from chassis.messaging.headers import ATTEMPT, from_sender, known_headers, text
from chassis.messaging.provenance import Arrival


def delivery_of(message: RabbitMessage, arrival: Arrival) -> Delivery:
    """The delivery of an incoming AMQP message."""
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
        sent_at=_sent_at(message.raw_message.timestamp),
    )


def headers_of(arrival: Arrival, redact: Callable[[str], str] = str) -> dict[str, str | int]:
    """The known headers; of a first delivery only those that its sender may set."""
    return (from_sender if arrival.is_first else known_headers)(arrival.headers, redact)


def _attempt(header: object) -> int:
    """The number of the current attempt: 1 if the header is missing or invalid."""
    return header if isinstance(header, int) and header >= 1 else 1


def _sent_at(timestamp: object) -> datetime | None:
    return timestamp.astimezone(UTC) if isinstance(timestamp, datetime) else None


def _failure(headers: Mapping[str, Any]) -> Failure | None:
    """The message's last failure, or None."""
    said = [text(headers, name) for name in ("error_type", "error", "first_failed_at")]
    return Failure(*map(str, said)) if all(said) else None
