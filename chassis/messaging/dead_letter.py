"""What a dead letter says of itself: how its message failed, and which queue takes it again."""

from collections.abc import Callable
from datetime import datetime

from chassis.messaging.headers import ORIGIN_EXCHANGE, ORIGIN_QUEUE, ORIGIN_ROUTING_KEY

MAX_ERROR = 1000
"""Characters of the error's text."""


def failure_headers(
    error: Exception, *, first_failed_at: str, failed_at: datetime, version: str, redact: Callable[[str], str]
) -> dict[str, str]:
    """Headers that say how a message failed; the error's text without secrets."""
    return {
        "error_type": type(error).__name__,
        "error": redact(str(error))[:MAX_ERROR],
        "first_failed_at": first_failed_at,
        "last_failed_at": failed_at.isoformat(),
        "service_version": version,
    }


def origin_headers(queue: str, exchange: str, routing_key: str) -> dict[str, str]:
    """Headers that say where a message came from and where a retry or a replay sends it."""
    return {ORIGIN_QUEUE: queue, ORIGIN_EXCHANGE: exchange, ORIGIN_ROUTING_KEY: routing_key}
