"""A subscriber: its secrets, and what becomes of it while it fails."""

from datetime import timedelta

import pytest

from chassis.decision import Applied, Ignored, Refused
from contracts.webhooks import WebhookType
from tests.support.orders import NOW
from tests.support.webhooks import GUEST, TERMS, adding
from webhooks.subscriber.decide import HELD_FROM, at_once, decide, is_held
from webhooks.subscriber.inputs import (
    AttemptFailed,
    AttemptSucceeded,
    DisableSubscriber,
    EnableSubscriber,
    RemoveSubscriber,
    RotateSecret,
    SubscriberInput,
)
from webhooks.subscriber.state import Subscriber, SubscriberStatus

FAILED = AttemptFailed("answered 500")
DAY = timedelta(days=1)


def after(*messages: SubscriberInput, at: timedelta = timedelta()) -> Subscriber:
    subscriber: Subscriber | None = None
    for message in messages:
        decision = decide(subscriber, message, NOW + at, TERMS.give_up_after)
        assert isinstance(decision, Applied), decision
        subscriber = decision.state
    assert subscriber is not None
    return subscriber


ADDED = after(adding())
STATES = {
    "none": None,
    "enabled": ADDED,
    "failing": after(adding(), FAILED),
    "disabled": after(adding(), DisableSubscriber("moved")),
    "disabled itself": after(adding(), AttemptFailed("answered 410", is_gone=True)),
    "removed": after(adding(), RemoveSubscriber("off")),
}
OUTCOMES: dict[str, tuple[SubscriberInput, tuple[type, ...]]] = {
    "add": (adding(), (Applied, Ignored, Ignored, Ignored, Ignored, Ignored)),
    "rotate": (RotateSecret("sealed-2", DAY), (Refused, Applied, Applied, Applied, Applied, Refused)),
    "enable": (EnableSubscriber(), (Refused, Ignored, Ignored, Applied, Applied, Refused)),
    "disable": (DisableSubscriber("r"), (Refused, Applied, Applied, Ignored, Applied, Refused)),
    "remove": (RemoveSubscriber("r"), (Refused, Applied, Applied, Applied, Applied, Refused)),
    "failed": (FAILED, (Refused, Applied, Applied, Ignored, Ignored, Refused)),
    "succeeded": (AttemptSucceeded(), (Refused, Ignored, Applied, Ignored, Ignored, Refused)),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("named", OUTCOMES)
def test_each_input_in_each_state_has_its_outcome(named: str, state: str) -> None:
    message, expected = OUTCOMES[named]

    decision = decide(STATES[state], message, NOW, TERMS.give_up_after)

    assert isinstance(decision, expected[list(STATES).index(state)]), decision


def test_for_a_day_webhooks_are_signed_with_both_secrets() -> None:
    rotated = after(adding(), RotateSecret("sealed-2", DAY))

    assert [each.sealed for each in rotated.secrets_at(NOW)] == ["sealed-2", "sealed-1"]
    assert [each.sealed for each in rotated.secrets_at(NOW + DAY)] == ["sealed-2"]


def test_a_secret_that_others_know_is_replaced_at_once() -> None:
    rotated = after(adding(), RotateSecret("sealed-2", timedelta()))

    assert [each.sealed for each in rotated.secrets] == ["sealed-2"]


def test_a_second_rotation_does_not_lengthen_the_life_of_the_oldest_secret() -> None:
    rotated = after(adding(), RotateSecret("sealed-2", DAY))
    decision = decide(rotated, RotateSecret("sealed-3", DAY), NOW + DAY / 2, TERMS.give_up_after)

    assert isinstance(decision, Applied)
    assert [(each.sealed, each.until) for each in decision.state.secrets] == [
        ("sealed-3", None),
        ("sealed-2", NOW + DAY * 1.5),
        ("sealed-1", NOW + DAY),
    ]


def test_from_the_third_failure_in_a_row_it_is_asked_one_at_a_time_with_growing_pauses() -> None:
    subscriber, pauses = ADDED, []
    for number in range(1, 14):
        decision = decide(subscriber, FAILED, NOW, TERMS.give_up_after)
        assert isinstance(decision, Applied)
        subscriber = decision.state
        assert at_once(subscriber, 4) == (1 if number >= HELD_FROM else 4)
        if subscriber.retry_at is not None:
            pauses.append((subscriber.retry_at - NOW).total_seconds())
            assert is_held(subscriber, NOW)
            assert not is_held(subscriber, subscriber.retry_at)

    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]


def test_one_success_ends_a_failure() -> None:
    subscriber = after(adding(), FAILED, FAILED, FAILED, AttemptSucceeded())

    assert (subscriber.failures, subscriber.failing_since, subscriber.retry_at) == (0, None, None)
    assert not subscriber.needs_attention


def test_after_days_without_a_success_it_disables_itself_with_the_reason() -> None:
    failing = after(adding(), FAILED)

    decision = decide(failing, FAILED, NOW + TERMS.give_up_after, TERMS.give_up_after)

    assert isinstance(decision, Applied)
    assert decision.state.status is SubscriberStatus.DISABLED
    assert "answered 500" in decision.state.cause
    assert decision.state.needs_attention


def test_a_removed_subscriber_has_no_secrets() -> None:
    assert after(adding(), RemoveSubscriber("off")).secrets == ()


def test_it_hears_of_its_property_and_its_kinds_while_it_is_enabled() -> None:
    only = after(adding(kinds=(WebhookType.REFUNDED,)))

    assert only.wants(GUEST.property_id, WebhookType.REFUNDED)
    assert not only.wants(GUEST.property_id, WebhookType.CONFIRMED)
    assert not only.wants("other", WebhookType.REFUNDED)  # type: ignore[arg-type]
    assert not after(adding(), DisableSubscriber("r")).wants(GUEST.property_id, WebhookType.REFUNDED)


def test_no_text_of_it_shows_a_secret() -> None:
    assert "sealed-1" not in repr(ADDED)
    assert "sealed-1" not in repr(adding())
