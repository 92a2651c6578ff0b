"""The headers that messages of this system carry: names, types and bounds.

Retries, dead letters, replays and edits carry these and no others. A foreign header can command the broker: CC and BCC
route a message to further keys, past every permission of the account that wrote them.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from chassis.messaging.amqp_decoding import UndecodedHeaders
from contracts import trace_headers

SENT_AT_MS = "sent_at_ms"
"""Time of publication in milliseconds since 1970, UTC."""
ATTEMPT = "attempt"
SENT_BY = "sent_by"
"""The account that published a retried or dead-lettered message first; `user_id` names the one that published it last.
A service writes it from the `user_id` that the broker has validated."""
ORIGIN_QUEUE, ORIGIN_EXCHANGE, ORIGIN_ROUTING_KEY = "origin_queue", "origin_exchange", "origin_routing_key"
ATTEMPT_TRACEPARENT = "attempt_traceparent"
"""The span of the first attempt that failed, to which those of later attempts are linked."""
UNDECODED = "undecoded"
"""Base64 of the properties that could not be decoded, as they arrived, at most `_MAX_RAW` bytes of them."""
REPLAY_PLAN, EDITED_FROM = "replay_plan", "edited_from"

ORIGIN = frozenset({ORIGIN_QUEUE, ORIGIN_EXCHANGE, ORIGIN_ROUTING_KEY})
FAILURE = frozenset(
    {"error_type", "error", "first_failed_at", "last_failed_at", "service_version", UNDECODED, ATTEMPT_TRACEPARENT}
)
"""How and where a message failed: written by the service that retries or dead-letters it."""
OF_A_REPEAT = FAILURE | ORIGIN | {ATTEMPT, SENT_BY, REPLAY_PLAN, EDITED_FROM, "ended", "again_in_s"}
"""Written by the service that retries, or by an operator's replay."""
TEXTS = (
    frozenset({"causation_id", "traceparent", SENT_BY, REPLAY_PLAN, EDITED_FROM, "ended"})
    | ORIGIN
    | FAILURE
    | trace_headers.NAMES
)
NUMBERS = frozenset({ATTEMPT, SENT_AT_MS, "again_in_s"})

MAX_TEXT = 4096
"""Bytes of one header's text. All of them together fit into one AMQP frame (128 KiB)."""
_MAX_RAW = 3072
_MAX_NUMBER = 2**53


def known_headers(headers: Mapping[str, Any], redact: Callable[[str], str] = str) -> dict[str, str | int]:
    """The known headers with values of the right type, truncated and without secrets; all others are dropped."""
    known: dict[str, str | int] = {}
    for name, value in headers.items():
        if name in TEXTS and isinstance(value, str):
            known[name] = _cut(redact(_cut(value)))
        elif name in NUMBERS and isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER:
            known[name] = value
    return known


def from_sender(headers: Mapping[str, Any], redact: Callable[[str], str] = str) -> dict[str, str | int]:
    """The known headers that a first delivery may carry. No sender may set those of a retry or a replay."""
    return {name: value for name, value in known_headers(headers, redact).items() if name not in OF_A_REPEAT}


def undecoded(headers: Mapping[str, Any]) -> dict[str, str]:
    """A header with the reasons why parts of a message could not be decoded; empty if all could."""
    if not isinstance(headers, UndecodedHeaders):
        return {}
    return {UNDECODED: b64encode(headers.raw[:_MAX_RAW]).decode()}


def text(headers: Mapping[str, Any], name: str) -> str | None:
    """A header's text, or None if it is missing or not a string."""
    value = headers.get(name)
    return value if isinstance(value, str) else None


def _cut(value: str) -> str:
    if len(value) <= MAX_TEXT and value.isascii():
        return value
    return value.encode(errors="replace")[:MAX_TEXT].decode(errors="ignore")
