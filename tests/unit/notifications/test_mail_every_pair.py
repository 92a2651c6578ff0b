"""Every status of a mail meets every message: how each pair ends is written down here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chassis.decision import Applied, Ignored, Refused, Stale
from contracts.mail import SendMail, SendMailAgain, SettleMail
from notifications.mail.decide import SENDING_AT_MOST, decide, is_over
from notifications.mail.inputs import Answer, Answered, DeadlinePassed, MailInput, MailWanted, NotWanted, SendingBegun
from notifications.mail.state import Mail, MailStatus
from tests.support import mails as given
from tests.support import orders

NOW = orders.NOW
OLD = NOW - timedelta(hours=25)
KEEPING = replace(given.TERMS, keep_for=timedelta(days=30))
RESTORED = replace(given.TERMS, not_before=NOW)
MAIL_ID = given.wanted().mail_id
STATES: Mapping[str, Mail | None] = {"none": None, **{status.value: given.mail(status) for status in MailStatus}}
MESSAGES: Mapping[str, MailInput] = {
    "wanted": MailWanted(given.wanted(), NOW),
    "wanted, old": MailWanted(given.wanted(), OLD),
    "not wanted": NotWanted(1, "no address"),
    "begun": SendingBegun(1, "en"),
    "accepted": Answered(1, Answer.ACCEPTED),
    "refused": Answered(1, Answer.REFUSED, "550 no such mailbox"),
    "deferred": Answered(1, Answer.DEFERRED, "450 later"),
    "uncertain": Answered(1, Answer.UNCERTAIN, "lost"),
    "recipient refused": Answered(1, Answer.REFUSED, "550 no such mailbox", is_of_text=False),
    "recipient deferred": Answered(1, Answer.DEFERRED, "450 later", is_of_text=False),
    "deadline": DeadlinePassed(),
    "again": SendMailAgain(mail_id=MAIL_ID, by="lena", reason="never came"),
    "settled": SettleMail(mail_id=MAIL_ID, by="lena", reason="it came"),
}
ENDS: Mapping[str, Mapping[str, str]] = {
    "none": {"wanted": "due", "wanted, old": "dropped"},
    "due": {
        "not wanted": "dropped",
        "begun": "sending",
        "refused": "parked",
        "deferred": "due",
        "recipient refused": "parked",
        "recipient deferred": "due",
        "deadline": "dropped",
    },
    "sending": {
        "accepted": "sent",
        "refused": "parked",
        "deferred": "due",
        "uncertain": "unknown",
        "deadline": "unknown",
    },
    "sent": {"again": "due"},
    "unknown": {"accepted": "sent", "again": "due", "settled": "dropped"},
    "parked": {
        "not wanted": "dropped",
        "begun": "sending",
        "refused": "parked",
        "deferred": "due",
        "recipient refused": "parked",
        "recipient deferred": "due",
        "again": "due",
        "settled": "dropped",
    },
    "dropped": {"again": "due"},
}
"""The status after each message that changes something. All other pairs change nothing."""
LATE = NOW + timedelta(days=2)


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_pair_ends_as_written(state: str, message: str) -> None:
    decision = decide(STATES[state], MESSAGES[message], LATE if message == "deadline" else NOW, given.TERMS)

    after = ENDS[state].get(message)
    if after is None:
        assert isinstance(decision, Ignored | Stale | Refused)
        assert not isinstance(decision, Ignored | Stale) or decision.reason
    else:
        assert isinstance(decision, Applied)
        assert decision.state.status == after
        assert decision.state.needs_attention == (after == "unknown")
        assert (decision.state.due_at is not None) == (after in ("due", "sending"))
        is_new = message in ("wanted", "again")
        assert [type(each) for each in decision.messages] == [SendMail] * is_new


@pytest.mark.parametrize("state", [name for name in STATES if name != "none"])
@pytest.mark.parametrize("message", ["not wanted", "begun", "accepted", "refused", "deferred", "uncertain"])
def test_what_belongs_to_an_earlier_round_changes_nothing(state: str, message: str) -> None:
    current = STATES[state]
    assert current is not None

    decision = decide(current.model_copy(update={"round": 2}), MESSAGES[message], NOW, given.TERMS)

    assert isinstance(decision, Stale)


def test_only_a_persons_decision_leads_from_a_mail_that_may_have_left_to_one_that_is_sent() -> None:
    """The law of this table: without it a guest could have the same mail twice."""
    may_have_left = ("sending", "unknown", "sent")

    leads_to_sending = {
        (state, message)
        for state in may_have_left
        for message, after in ENDS[state].items()
        if after in ("due", "sending")
    }

    assert leads_to_sending == {("sent", "again"), ("unknown", "again"), ("sending", "deferred")}


def test_a_deadline_that_has_not_come_changes_nothing() -> None:
    assert isinstance(decide(given.mail(MailStatus.SENDING), DeadlinePassed(), NOW, given.TERMS), Stale)


def test_a_mail_that_is_being_sent_may_take_as_long_as_a_server_may() -> None:
    sending = decide(given.mail(MailStatus.DUE), SendingBegun(1, "en"), NOW, given.TERMS)

    assert isinstance(sending, Applied)
    assert sending.state.due_at == NOW + SENDING_AT_MOST


def test_a_mail_that_waited_too_long_is_not_sent_although_its_turn_has_come() -> None:
    decision = decide(given.mail(MailStatus.DUE), SendingBegun(1, "en"), NOW + timedelta(hours=25), given.TERMS)

    assert isinstance(decision, Applied)
    assert decision.state.status is MailStatus.DROPPED
    assert "24 hours" in decision.state.cause


@pytest.mark.parametrize(("at", "status"), [(NOW - timedelta(seconds=1), "dropped"), (NOW, "due")])
def test_news_from_before_a_restore_are_not_sent(at: datetime, status: str) -> None:
    decision = decide(None, MailWanted(given.wanted(), at), NOW, RESTORED)

    assert isinstance(decision, Applied)
    assert decision.state.status == status
    assert ("may have been sent" in decision.state.cause) == (status == "dropped")


def test_a_mail_that_was_due_before_a_restore_is_not_sent() -> None:
    due = given.mail(MailStatus.DUE).model_copy(update={"since": NOW - timedelta(seconds=1)})

    decision = decide(due, SendingBegun(1, "en"), NOW, RESTORED)

    assert isinstance(decision, Applied)
    assert decision.state.status is MailStatus.DROPPED


def test_an_event_from_the_future_or_without_a_time_is_from_now() -> None:
    for at in (None, NOW + timedelta(days=3)):
        decision = decide(None, MailWanted(given.wanted(), at), NOW, given.TERMS)
        assert isinstance(decision, Applied)
        assert decision.state.since == NOW


def test_a_mail_is_named_after_what_it_is_about() -> None:
    first = given.wanted(about="2")

    assert first.mail_id == given.wanted(about="2").mail_id
    assert first.mail_id != given.wanted(about="3").mail_id
    assert first.mail_id != given.wanted().mail_id
    assert first.mail_id.startswith("mail_")


@pytest.mark.parametrize("status", MailStatus)
def test_a_mail_may_go_once_it_is_over_and_its_news_are_old(status: MailStatus) -> None:
    """One that may still be sent, or that a person must decide on, is what keeps a guest from a second one."""
    gone = [is_over(given.mail(status), before) for before in (NOW, NOW + timedelta(seconds=1))]

    assert gone == [False, status in (MailStatus.SENT, MailStatus.DROPPED)]


def test_a_mail_that_a_person_had_sent_again_stays_for_as_long_from_then_on() -> None:
    again = decide(given.mail(MailStatus.SENT), SendMailAgain(mail_id=MAIL_ID, by="lena", reason="lost"), LATE, KEEPING)
    assert isinstance(again, Applied)
    sent = again.state.model_copy(update={"status": MailStatus.SENT, "due_at": None})

    assert not is_over(sent, LATE)
    assert is_over(sent, LATE + timedelta(seconds=1))


@pytest.mark.parametrize("max_age", [timedelta(days=1), timedelta(days=999)])
def test_no_news_from_before_what_is_kept_are_mailed_however_old_they_may_be(max_age: timedelta) -> None:
    """Their mail may have been sent and deleted since."""
    terms = replace(KEEPING, max_age=max_age)
    assert terms.keep_for is not None

    decision = decide(None, MailWanted(given.wanted(), NOW), NOW + terms.keep_for + timedelta(seconds=1), terms)

    assert isinstance(decision, Ignored)
    assert "too old" in decision.reason
