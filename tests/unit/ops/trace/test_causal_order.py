"""The order of a story, when services wrote their copies to the log at different speeds."""

from typing import Any

from ops.core.messages import RecordedMessage
from ops.core.trace.causal_order import in_causal_order


def seen(message_id: str, cause: str | None = None, exchange: str = "events", **more: Any) -> RecordedMessage:
    return RecordedMessage(message_id=message_id, kind="k", body=b"", causation_id=cause, exchange=exchange, **more)


def ids(*messages: RecordedMessage) -> list[str]:
    return [message.message_id for message in in_causal_order(messages)]


def test_a_consequence_that_was_logged_before_its_cause_comes_after_it() -> None:
    assert ids(seen("c", "b"), seen("b", "a"), seen("x"), seen("a")) == ["a", "b", "c", "x"]


def test_what_is_in_order_stays_as_it_is() -> None:
    assert ids(seen("a"), seen("x"), seen("b", "a"), seen("y", "unknown")) == ["a", "x", "b", "y"]


def test_a_failure_comes_after_the_message_that_failed() -> None:
    assert ids(seen("a", exchange="failures"), seen("b"), seen("a")) == ["a", "a", "b"]


def test_ids_that_form_a_circle_end() -> None:
    assert sorted(ids(seen("a", "b"), seen("b", "a"))) == ["a", "b"]


def test_a_message_sent_twice_is_kept_twice() -> None:
    assert ids(seen("a"), seen("b", "a"), seen("a")) == ["a", "b", "a"]
