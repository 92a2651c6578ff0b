"""Headers of a dead letter: how its message failed, and which queue a replay sends it to."""

from collections.abc import Callable
from datetime import datetime

from chassis.messaging.headers import ORIGIN_EXCHANGE, ORIGIN_QUEUE, ORIGIN_ROUTING_KEY

MAX_ERROR = 1000
"""Characters of the error's text."""


def failure_headers(
    error: Exception, *, first_failed_at: str, failed_at: datetime, version: str, redact: Callable[[str], str]
) -> dict[str, str]:
    """Headers for a message's failure, with secrets removed from the error's text."""
    return {
        "error_type": type(error).__name__,
        "error": redact(str(error))[:MAX_ERROR],
        "first_failed_at": first_failed_at,
        "last_failed_at": failed_at.isoformat(),
        "service_version": version,
    }


def origin_headers(queue: str, exchange: str, routing_key: str) -> dict[str, str]:
    """Headers for a message's origin, to which a retry or a replay sends it again."""
    return {ORIGIN_QUEUE: queue, ORIGIN_EXCHANGE: exchange, ORIGIN_ROUTING_KEY: routing_key}
