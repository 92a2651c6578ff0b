"""Where a dead letter goes when it is replayed."""

import pytest

from ops.core.dead_letters.letters import DEAD_QUEUES, PARKING_AT, DeadLetter
from ops.core.messages import RecordedMessage


def letter(dead_queue: str, origin: str) -> DeadLetter:
    message = RecordedMessage(message_id="m-1", kind="any", body=b"{}", headers={"origin_queue": origin})
    return DeadLetter.of(dead_queue, message)


@pytest.mark.parametrize(
    ("dead_queue", "origin"), [(dead, origin) for dead in DEAD_QUEUES for origin in sorted(PARKING_AT[dead])]
)
def test_a_dead_letter_goes_back_to_the_queue_it_came_from(dead_queue: str, origin: str) -> None:
    assert letter(dead_queue, origin).queue == origin


@pytest.mark.parametrize(
    ("dead_queue", "origin"),
    [("psp.dead", "extras.commands"), ("payments.dead", "psp.commands"), ("extras.dead", "payments.psp")],
)
def test_a_dead_letter_that_names_another_services_queue_goes_nowhere(dead_queue: str, origin: str) -> None:
    assert letter(dead_queue, origin).queue == ""


def test_every_dead_queue_has_queues_that_park_there() -> None:
    assert all(PARKING_AT[dead_queue] for dead_queue in DEAD_QUEUES)
