"""One order's webhooks to one subscriber: each in every status against every input, in order, until it is given up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.decision import Applied, Ignored, Refused, Stale
from contracts.webhooks import WebhookType
from tests.support.orders import NOW
from tests.support.webhooks import TERMS, wanted
from webhooks.feed.decide import CLAIMED_FOR, LONGEST_ASKED, PAUSES, decide, is_over
from webhooks.feed.inputs import (
    AttemptBegun,
    AttemptEnded,
    FeedInput,
    GuestErased,
    LeaveIt,
    NotPossible,
    SendAgain,
    Verdict,
)
from webhooks.feed.state import Feed, WebhookStatus, moment, webhook_id_of

FIRST, SECOND = wanted(), wanted(WebhookType.REFUNDED, "2")
ID = FIRST.webhook_id
BEGUN = AttemptBegun(ID, "claim-1", '{"a":1}', 5)
TAKEN = AttemptEnded(ID, "claim-1", Verdict.TAKEN, "answered 204")
FAILED = AttemptEnded(ID, "claim-1", Verdict.FAILED, "answered 500")


KEPT_FOR = timedelta(days=30)


def after(*messages: FeedInput, at: timedelta = timedelta()) -> Feed:
    feed: Feed | None = None
    for message in messages:
        decision = decide(feed, message, NOW + at, TERMS.give_up_after)
        assert isinstance(decision, Applied), decision
        feed = decision.state
    assert feed is not None
    return feed


def outcome(feed: Feed | None, message: FeedInput, at: timedelta = timedelta()) -> object:
    return decide(feed, message, NOW + at, TERMS.give_up_after)


def parked() -> Feed:
    feed = after(FIRST, BEGUN)
    decision = decide(feed, FAILED, NOW + TERMS.give_up_after, TERMS.give_up_after)
    assert isinstance(decision, Applied)
    return decision.state


def erased() -> Feed:
    return after(FIRST, GuestErased())


FEEDS = {
    WebhookStatus.WAITING: after(FIRST, BEGUN),
    WebhookStatus.DELIVERED: after(FIRST, BEGUN, TAKEN),
    WebhookStatus.PARKED: parked(),
    WebhookStatus.DROPPED: erased(),
}
OUTCOMES: dict[str, tuple[FeedInput, tuple[type, type, type, type]]] = {
    "wanted again": (FIRST, (Ignored, Ignored, Ignored, Ignored)),
    "begun again": (AttemptBegun(ID, "claim-2", "{}", 6), (Stale, Stale, Stale, Stale)),
    "taken": (TAKEN, (Applied, Stale, Applied, Applied)),
    "failed": (FAILED, (Applied, Stale, Stale, Stale)),
    "nothing to say": (NotPossible(ID, "no order"), (Applied, Stale, Stale, Stale)),
    "guest erased": (GuestErased(), (Applied, Ignored, Ignored, Ignored)),
    "send again": (SendAgain(ID), (Refused, Applied, Applied, Applied)),
    "left": (LeaveIt(ID, "olaf"), (Refused, Refused, Applied, Refused)),
}


@pytest.mark.parametrize("status", WebhookStatus)
@pytest.mark.parametrize("named", OUTCOMES)
def test_each_input_in_each_status_has_its_outcome(named: str, status: WebhookStatus) -> None:
    message, expected = OUTCOMES[named]

    decision = outcome(FEEDS[status], message)

    assert isinstance(decision, expected[list(WebhookStatus).index(status)]), decision


@pytest.mark.parametrize(
    "message", [BEGUN, TAKEN, NotPossible(ID, "r"), GuestErased(), SendAgain(ID), LeaveIt(ID, "olaf")]
)
def test_nothing_is_decided_about_a_webhook_that_is_not_known(message: FeedInput) -> None:
    assert isinstance(outcome(None, message), Ignored)


def test_webhooks_of_an_order_are_sent_one_after_the_other() -> None:
    feed = after(FIRST, SECOND)

    assert isinstance(outcome(feed, AttemptBegun(SECOND.webhook_id, "c", "{}", 1)), Stale)
    first = after(FIRST, SECOND, BEGUN, TAKEN)
    assert first.head is not None
    assert first.head.webhook_id == SECOND.webhook_id
    assert first.next_at == moment(NOW)


def test_a_webhook_about_an_earlier_receipt_goes_before_one_that_was_not_tried_yet() -> None:
    second_tried = after(SECOND, AttemptBegun(SECOND.webhook_id, "claim-2", "{}", 6))

    assert [each.receipt for each in after(SECOND, FIRST).entries] == [1, 2]
    tried = _applied(second_tried, FIRST, timedelta())
    assert [each.receipt for each in tried.entries] == [2, 1]
    assert tried.claim == "claim-2"


def test_an_attempt_of_another_process_is_awaited_until_its_claim_lapses() -> None:
    feed = after(FIRST, BEGUN)
    other = AttemptBegun(ID, "claim-2", "another body", 9)

    assert isinstance(outcome(feed, other, CLAIMED_FOR - timedelta(seconds=1)), Stale)
    taken_over = outcome(feed, other, CLAIMED_FOR)
    assert isinstance(taken_over, Applied)
    entry = taken_over.state.entry(ID)
    assert (entry.attempts, entry.body, entry.order_version) == (2, '{"a":1}', 5)


def test_a_new_webhook_does_not_hasten_one_that_is_put_off_or_under_way() -> None:
    put_off = after(FIRST, BEGUN, FAILED)

    assert after(FIRST, BEGUN, SECOND).next_at == moment(NOW + CLAIMED_FOR)
    assert after(FIRST, BEGUN, FAILED, SECOND).next_at == put_off.next_at == moment(NOW + PAUSES[0])


def test_pauses_grow_and_end_at_the_last() -> None:
    feed, at, pauses = after(FIRST), timedelta(), []
    for number in range(12):
        feed = _applied(feed, AttemptBegun(ID, str(number), "{}", 1), at)
        feed = _applied(feed, AttemptEnded(ID, str(number), Verdict.FAILED, "answered 500"), at)
        pause = next(each for each in PAUSES if feed.next_at == moment(NOW + at + each))
        pauses.append(pause)
        at += pause

    assert pauses == [*PAUSES, *(PAUSES[-1:] * 4)]


def _applied(feed: Feed, message: FeedInput, at: timedelta) -> Feed:
    decision = decide(feed, message, NOW + at, TERMS.give_up_after)
    assert isinstance(decision, Applied), decision
    return decision.state


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (timedelta(seconds=1), PAUSES[0]),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=9), LONGEST_ASKED),
    ],
)
def test_a_pause_that_the_receiver_asks_for_counts_up_to_an_hour(asked: timedelta, pause: timedelta) -> None:
    feed = after(FIRST, BEGUN, AttemptEnded(ID, "claim-1", Verdict.FAILED, "answered 429", asked))

    assert feed.next_at == moment(NOW + pause)


def test_after_days_of_failure_a_webhook_is_parked_and_the_next_one_has_its_turn() -> None:
    feed = _applied(after(FIRST, SECOND, BEGUN), FAILED, TERMS.give_up_after)

    entry = feed.entry(ID)
    assert entry is not None
    assert (entry.status, entry.body, feed.needs_attention) == (WebhookStatus.PARKED, None, True)
    assert feed.head is not None
    assert feed.head.webhook_id == SECOND.webhook_id


def test_what_an_operator_leaves_does_not_touch_the_attempt_that_is_under_way() -> None:
    feed = _applied(after(FIRST, SECOND, BEGUN), FAILED, TERMS.give_up_after)
    under_way = _applied(feed, AttemptBegun(SECOND.webhook_id, "claim-2", "{}", 6), TERMS.give_up_after)

    left = _applied(under_way, LeaveIt(ID, "olaf"), TERMS.give_up_after)

    assert (left.claim, left.next_at, left.needs_attention) == ("claim-2", under_way.next_at, False)
    assert [each.said for each in left.entries if each.webhook_id == ID] == ["left at that by olaf"]


def test_no_body_is_kept_once_a_webhook_is_closed() -> None:
    assert all(
        entry.body is None
        for status, feed in FEEDS.items()
        for entry in feed.entries
        if status is not WebhookStatus.WAITING
    )


def test_sent_again_it_keeps_its_id_and_comes_after_what_waits() -> None:
    feed = after(FIRST, BEGUN, TAKEN, SECOND, SendAgain(ID))

    assert [each.webhook_id for each in feed.entries] == [SECOND.webhook_id, ID]
    assert feed.entries[1].attempts == 0


def test_a_webhook_has_one_id_per_subscriber_and_subject() -> None:
    subjects = [("whs_a", "1"), ("whs_b", "1"), ("whs_a", "2")]
    ids = {webhook_id_of(who, FIRST.order_id, WebhookType.CONFIRMED, about) for who, about in subjects}  # type: ignore[arg-type]

    assert len(ids) == 3
    assert all(each.startswith("msg_") and len(each) == 30 for each in ids)


def test_a_feed_says_what_became_of_its_webhooks_and_what_was_answered() -> None:
    failed = after(FIRST, BEGUN, FAILED)
    again = _applied(failed, AttemptBegun(ID, "claim-2", "{}", 5), PAUSES[0])
    taken = _applied(again, AttemptEnded(ID, "claim-2", Verdict.TAKEN, "answered 204"), PAUSES[0])

    assert after(FIRST).summary == "order.confirmed waiting"
    assert after(FIRST, BEGUN).summary == "order.confirmed being sent, attempt 1"
    assert failed.summary == "order.confirmed waiting after 1 attempt: answered 500"
    assert again.summary == "order.confirmed being sent, attempt 2"
    assert taken.summary == "order.confirmed delivered after 2 attempts: answered 204"
    assert _applied(taken, SECOND, PAUSES[0]).summary.endswith(": answered 204; order.refunded waiting")
    assert after(FIRST, SECOND).summary == "order.confirmed waiting; 1 more waiting"
    assert parked().summary == "order.confirmed parked after 1 attempt: answered 500"
    assert erased().summary == "order.confirmed dropped: the order has forgotten its guest"


def test_an_answer_of_any_length_is_cut_in_a_summary() -> None:
    feed = after(FIRST, BEGUN, AttemptEnded(ID, "claim-1", Verdict.FAILED, "x" * 500))

    assert len(feed.summary) < 200


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (WebhookStatus.WAITING, "it is noted already, and on its way"),
        (WebhookStatus.DELIVERED, "it was delivered already, nothing is sent"),
        (WebhookStatus.PARKED, "it was given up after days of failures, an operator decides"),
        (WebhookStatus.DROPPED, "nothing is sent: the order has forgotten its guest"),
    ],
)
def test_a_repeated_event_is_ignored_for_what_became_of_its_webhook(status: WebhookStatus, reason: str) -> None:
    assert outcome(FEEDS[status], FIRST) == Ignored(reason)


@pytest.mark.parametrize("status", WebhookStatus)
def test_a_feed_may_go_once_nothing_has_waited_for_long_and_no_person_must_decide(status: WebhookStatus) -> None:
    feed = FEEDS[status]
    closed = NOW + TERMS.give_up_after

    gone = [is_over(feed, before) for before in (NOW, closed + timedelta(seconds=1))]

    is_closed = status in (WebhookStatus.DELIVERED, WebhookStatus.DROPPED)
    assert gone == [False, is_closed]


def test_a_feed_that_goes_on_stays_until_it_has_been_still_again() -> None:
    later = timedelta(days=20)
    feed = after(FIRST, BEGUN, TAKEN)
    waiting = decide(feed, SECOND, NOW + later, TERMS.give_up_after)
    assert isinstance(waiting, Applied)
    erased = decide(waiting.state, GuestErased(), NOW + 2 * later, TERMS.give_up_after)
    assert isinstance(erased, Applied)

    assert not is_over(waiting.state, NOW + timedelta(days=999))
    assert not is_over(erased.state, NOW + 2 * later)
    assert is_over(erased.state, NOW + 2 * later + timedelta(seconds=1))


@pytest.mark.parametrize("feed", [None, after(SECOND)], ids=["deleted", "deleted, and made again"])
def test_an_event_from_before_what_is_kept_asks_for_no_webhook(feed: Feed | None) -> None:
    """Its webhook may have been sent and deleted since."""
    message = replace(FIRST, at=NOW)
    outcomes = [
        decide(feed, message, NOW + KEPT_FOR + passed, TERMS.give_up_after, KEPT_FOR)
        for passed in (timedelta(), timedelta(seconds=1))
    ]

    assert isinstance(outcomes[0], Applied)
    assert isinstance(outcomes[1], Ignored)
    assert "too old" in outcomes[1].reason
    assert isinstance(decide(feed, message, NOW + timedelta(days=999), TERMS.give_up_after), Applied)


def test_an_old_event_whose_webhook_is_known_is_noted_already() -> None:
    message = replace(FIRST, at=NOW)

    known = decide(after(FIRST), message, NOW + 2 * KEPT_FOR, TERMS.give_up_after, KEPT_FOR)

    assert known == Ignored("it is noted already, and on its way")
