"""What the message log says of itself that it misses."""

from datetime import UTC, datetime, timedelta

from chassis.messaging.message_log import INSTANCE
from contracts.log import LogClosed, LogGap, LogOpened
from contracts.message import Message
from ops.core.message_log.gaps import Gaps
from ops.core.messages import RecordedMessage

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def seen(instance: str, marker: Message | None = None, *, sender: str = "extras-service") -> RecordedMessage:
    kind, body = (marker.kind, marker.to_wire()) if marker else ("orders.order-confirmed.v1", b"{}")
    return RecordedMessage(
        message_id="m", kind=kind, body=body, sender=sender, sent_at=NOW, headers={INSTANCE: instance}
    )


def opened(instance: str) -> RecordedMessage:
    return seen(instance, LogOpened(service="extras-service", instance=instance, at=NOW))


def closed(instance: str) -> RecordedMessage:
    return seen(instance, LogClosed(service="extras-service", instance=instance, at=NOW))


def gaps_of(*messages: RecordedMessage) -> list[str]:
    gaps = Gaps()
    for message in messages:
        gaps.see(message)
    return gaps.sentences()


def test_copies_that_were_missed_are_counted_with_their_time() -> None:
    gap = LogGap(service="extras-service", instance="a", count=7, since=NOW, until=NOW + timedelta(seconds=9))

    assert gaps_of(opened("a"), seen("a", gap)) == [
        "The log misses 7 messages of extras-service between 2026-11-25 12:00:00 and 12:00:09 UTC."
    ]


def test_a_process_that_was_replaced_without_having_closed_the_log_may_have_lost_copies() -> None:
    assert gaps_of(opened("a"), seen("a"), opened("b"), seen("b")) == [
        "The log may miss what extras-service sent around 2026-11-25 12:00:00 UTC: its process was killed."
    ]


def test_a_restart_in_order_and_a_second_instance_are_no_gaps() -> None:
    assert gaps_of(opened("a"), closed("a"), opened("b")) == []
    assert gaps_of(opened("a"), opened("b"), seen("a"), seen("b")) == []
    assert gaps_of(opened("a"), opened("b"), closed("a")) == []
    assert gaps_of(opened("a"), seen("x", sender="gateway")) == []


def test_what_an_older_version_wrote_says_nothing_of_gaps() -> None:
    assert gaps_of(seen(""), opened("a")) == []
