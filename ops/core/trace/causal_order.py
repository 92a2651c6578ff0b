"""Sorts messages of the log so that none comes before its cause.

Every service copies its messages to the log by itself, a moment later, so a consequence may precede its cause in the
log. Apart from that the log's order is kept: it does not depend on synchronised clocks.
"""

from collections.abc import Sequence

from contracts.topology import FAILURES
from ops.core.messages import RecordedMessage


def in_causal_order(messages: Sequence[RecordedMessage]) -> list[RecordedMessage]:
    """The messages in the log's order, but each after its cause, and a failure after the message that failed."""
    first: dict[str, RecordedMessage] = {}
    for seen in messages:
        if seen.exchange != FAILURES:
            first.setdefault(seen.message_id, seen)
    placed: set[int] = set()
    ordered: list[RecordedMessage] = []
    for seen in messages:
        waiting = [seen]
        while (before := _cause_of(waiting[-1], first)) is not None and id(before) not in placed:
            if any(before is one for one in waiting):
                break  # ids of other systems may form a circle
            waiting.append(before)
        for one in reversed(waiting):
            if id(one) not in placed:
                placed.add(id(one))
                ordered.append(one)
    return ordered


def _cause_of(seen: RecordedMessage, first: dict[str, RecordedMessage]) -> RecordedMessage | None:
    if seen.exchange == FAILURES:
        return first.get(seen.message_id)
    return first.get(seen.causation_id or "")
