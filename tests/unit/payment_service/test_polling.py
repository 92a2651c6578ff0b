"""When the PSP is asked again, and what becomes of its silence: the clock is moved, nothing waits."""

from datetime import timedelta

import pytest

from chassis.decision import Applied, Ignored, Stale
from contracts.ids import RefundId
from contracts.money import Money
from contracts.payments import (
    PaymentFailed,
    PaymentMismatched,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
    PaymentUnresolved,
    RefundStage,
)
from contracts.psp import ClosePspSession, CreatePspRefund, CreatePspSession, PspRefundState, RetrievePspSession
from payment_service.payment.decide import decide
from payment_service.payment.inputs import PaymentInput, PollDue
from payment_service.payment.polling import OPEN_POLL, REFUND_ANSWER, REFUND_SETTLEMENT, SETTLING_POLL, UNKNOWN_POLLS
from payment_service.payment.state import Payment, PaymentStage
from tests.support import payments as given


def applied(payment: Payment | None, message: PaymentInput) -> Applied[Payment]:
    decision = decide(payment, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


def polled(payment: Payment) -> Applied[Payment]:
    """The payment after its poll came due."""
    assert payment.due_at is not None
    decision = decide(payment, PollDue(), payment.due_at)
    assert isinstance(decision, Applied), decision
    return decision


@pytest.mark.parametrize(
    ("status", "after"),
    [
        (PaymentStage.CREATED, OPEN_POLL),
        (PaymentStage.SESSION_OPEN, OPEN_POLL),
        (PaymentStage.ACTION_REQUIRED, OPEN_POLL),
        (PaymentStage.CLOSING, OPEN_POLL),
        (PaymentStage.PROCESSING, SETTLING_POLL),
        (PaymentStage.UNKNOWN, UNKNOWN_POLLS[0]),
        (PaymentStage.SUCCEEDED, None),
        (PaymentStage.CLOSED, None),
        (PaymentStage.FAILED, None),
        (PaymentStage.MISMATCHED, None),
    ],
)
def test_every_change_sets_when_the_psp_is_asked_again(status: PaymentStage, after: timedelta | None) -> None:
    assert given.in_status(status).due_at == (None if after is None else given.NOW + after)


def test_a_poll_before_its_time_is_stale() -> None:
    assert isinstance(decide(given.payable(), PollDue(), given.NOW), Stale)


def test_an_open_payment_is_looked_up_at_the_psp() -> None:
    decision = polled(given.payable())

    assert [type(message) for message in decision.messages] == [RetrievePspSession]
    assert decision.state.due_at == given.NOW + 2 * OPEN_POLL


def test_a_session_that_was_never_answered_is_asked_for_with_the_same_number() -> None:
    decision = polled(given.created())

    [asked] = decision.messages
    assert isinstance(asked, CreatePspSession)
    assert asked.session_no == 1


def test_a_closing_session_is_closed_again_rather_than_looked_up() -> None:
    assert [type(message) for message in polled(given.closing()).messages] == [ClosePspSession]


def test_a_silent_psp_makes_a_payment_unknown_and_is_asked_after_1_min_5_min_1_h_then_daily() -> None:
    payment = applied(given.payable(), given.unanswered()).state
    assert payment.status is PaymentStage.UNKNOWN

    waited = []
    while payment.due_at is not None:
        before = payment.due_at
        payment = polled(payment).state
        waited.append(payment.due_at - before if payment.due_at else None)

    assert payment.status is PaymentStage.UNKNOWN
    assert waited == [*UNKNOWN_POLLS[1:], None]


def test_after_the_last_poll_a_person_must_look() -> None:
    payment = applied(given.payable(), given.unanswered()).state
    emitted: list[object] = []

    while payment.due_at is not None:
        decision = polled(payment)
        emitted += decision.messages
        payment = decision.state

    [unresolved] = [message for message in emitted if not isinstance(message, RetrievePspSession)]
    assert isinstance(unresolved, PaymentUnresolved)
    assert "timed out" in unresolved.detail


def test_a_session_the_psp_does_not_know_comes_before_a_person_after_an_hour_with_that_sentence() -> None:
    payment = applied(given.closing(), given.session_not_known()).state
    emitted: list[object] = []

    while payment.due_at is not None:
        decision = polled(payment)
        emitted += decision.messages
        payment = decision.state

    [unresolved] = [message for message in emitted if isinstance(message, PaymentUnresolved)]
    assert "another account or mode" in unresolved.detail
    assert "No such payment_intent" in unresolved.detail
    assert [type(message) for message in emitted] == [ClosePspSession] * 2 + [PaymentUnresolved]


def test_a_silence_that_turns_into_a_refusal_is_asked_about_like_a_refusal() -> None:
    silent = applied(given.payable(), given.unanswered()).state

    refused = applied(silent, given.session_not_known()).state

    assert (refused.is_refused, refused.polls) == (True, 0)
    assert isinstance(decide(refused, given.session_not_known(), given.NOW), Stale)
    assert not given.after(refused, given.session_open()).is_refused


def test_a_time_out_after_days_of_silence_does_not_put_the_person_off_by_another_week() -> None:
    payment, sent = given.payable(), 0
    while payment.polls < len(UNKNOWN_POLLS) - 1:
        payment = polled(payment).state
        sent += 1

    payment = applied(payment, given.unanswered()).state
    last = polled(payment)

    assert sent == len(UNKNOWN_POLLS) - 1
    assert [type(message) for message in last.messages] == [PaymentUnresolved]
    assert last.state.due_at is None


@pytest.mark.parametrize("silent_polls", range(len(UNKNOWN_POLLS) + 1))
def test_a_refusal_after_silence_comes_before_a_person_and_the_polls_stay_within_the_same_number(
    silent_polls: int,
) -> None:
    payment, sent = given.closing(), 0
    for _ in range(silent_polls):
        payment = polled(payment).state
        sent += 1

    payment = applied(payment, given.session_not_known()).state
    unresolved: list[PaymentUnresolved] = []
    while payment.due_at is not None:
        decision = polled(payment)
        payment = decision.state
        sent += any(isinstance(message, ClosePspSession) for message in decision.messages)
        unresolved += [message for message in decision.messages if isinstance(message, PaymentUnresolved)]

    assert ["another account or mode" in message.detail for message in unresolved] == [True]
    assert sent <= len(UNKNOWN_POLLS)


@pytest.mark.parametrize("payment", [given.payable(), given.created(), given.closing()], ids=lambda each: each.status)
def test_questions_that_are_not_answered_are_put_off_further_and_end_before_a_person(payment: Payment) -> None:
    emitted: list[object] = []
    waited: list[timedelta] = []
    now = given.NOW

    while payment.due_at is not None:
        waited.append(payment.due_at - now)
        now = payment.due_at
        decision = polled(payment)
        emitted += decision.messages
        payment = decision.state

    assert waited == [OPEN_POLL, OPEN_POLL, *UNKNOWN_POLLS[2:]]
    assert len(emitted) == len(UNKNOWN_POLLS)
    assert isinstance(emitted[-1], PaymentUnresolved)


def test_an_answer_begins_the_questions_from_the_start() -> None:
    asked = polled(polled(polled(given.payable()).state).state).state

    answered = applied(asked, given.session_open()).state

    assert (asked.polls, answered.polls) == (3, 0)
    assert answered.due_at == given.NOW + OPEN_POLL


def test_whatever_the_psp_says_next_ends_the_unknown() -> None:
    unknown = applied(given.payable(), given.unanswered()).state

    assert applied(unknown, given.session_open()).state.status is PaymentStage.SESSION_OPEN
    assert applied(unknown, given.succeeded()).state.status is PaymentStage.SUCCEEDED
    assert applied(unknown, given.canceled()).state.status is PaymentStage.CLOSED


def test_a_session_opened_after_all_ends_the_unknown_and_is_reported() -> None:
    unknown = applied(given.created(), given.unanswered()).state

    opened = applied(unknown, given.session_created())

    assert opened.state.status is PaymentStage.SESSION_OPEN
    assert opened.messages


def test_a_failure_whose_webhook_was_lost_is_found_by_the_poll() -> None:
    settling = given.after(given.payable(), given.processing(0))

    found = applied(settling, given.session_open())

    assert found.state.status is PaymentStage.SESSION_OPEN
    assert [type(message) for message in found.messages] == [PaymentFailed]


# Refunds


def paid() -> Payment:
    return given.after(given.payable(), given.succeeded(0))


def test_a_refund_is_asked_of_the_psp_under_its_own_id() -> None:
    decision = applied(paid(), given.refund(1500))

    [asked] = decision.messages
    assert isinstance(asked, CreatePspRefund)
    assert (asked.refund_id, asked.amount.amount) == (given.REFUND_ID, 1500)
    assert decision.state.refundable.amount == 3300


def test_a_refund_that_got_no_answer_is_asked_again_under_its_own_id() -> None:
    asked = applied(paid(), given.refund()).state
    silent = applied(asked, given.unanswered(CreatePspRefund)).state

    again = polled(silent)

    [question] = again.messages
    assert isinstance(question, CreatePspRefund)
    assert question.refund_id == given.REFUND_ID


def test_more_than_is_left_is_refused_without_asking_the_psp() -> None:
    decision = applied(given.after(paid(), given.refund(4000)), given.refund(1000, RefundId("ref_other")))

    assert [type(message) for message in decision.messages] == [PaymentRefundFailed]


def test_a_settled_refund_is_reported_with_the_sum_of_all() -> None:
    decision = applied(given.after(paid(), given.refund(1500)), given.refund_updated(amount=1500))

    [emitted] = decision.messages
    assert isinstance(emitted, PaymentRefunded)
    assert (emitted.refunded.amount, emitted.pending.amount, emitted.fact_no) == (1500, 0, 1)


def test_a_refund_that_fails_after_it_looked_settled_is_reported_and_can_be_asked_again() -> None:
    settled = given.after(paid(), given.refund(), given.refund_updated())

    decision = applied(settled, given.refund_updated(PspRefundState.FAILED))

    assert [type(message) for message in decision.messages] == [PaymentRefundFailed]
    assert decision.state.refundable == given.AMOUNT


@pytest.mark.parametrize("late", [PspRefundState.PENDING, PspRefundState.SUCCEEDED])
def test_a_settled_refund_does_not_go_back(late: PspRefundState) -> None:
    settled = given.after(paid(), given.refund(), given.refund_updated())

    assert isinstance(decide(settled, given.refund_updated(late), given.NOW), Stale | Ignored)


def test_a_refund_made_in_the_dashboard_makes_its_record_and_is_reported() -> None:
    decision = applied(paid(), given.refund_updated(refund_id=RefundId("ref_psp_re_1"), amount=800))

    assert [refund.stage for refund in decision.state.refunds] == [RefundStage.SUCCEEDED]
    assert [type(message) for message in decision.messages] == [PaymentRefunded]


def test_a_refund_reported_before_the_success_is_reported_once_it_is_known() -> None:
    early = given.after(given.payable(), given.refund_updated())

    decision = applied(early, given.succeeded())

    assert [type(message) for message in decision.messages] == [PaymentSucceeded, PaymentRefunded]


def second_session() -> Payment:
    """Paid, while a late command has opened another session."""
    return given.after(paid(), given.session_created(2, reference="pi_second"))


def twice_paid() -> Payment:
    """Paid, and paid once more in a second session, which is being refunded."""
    return given.after(second_session(), given.succeeded(5, reference="pi_second"))


def later(payment: Payment, after: timedelta) -> Applied[Payment]:
    """The payment when it was polled that much later."""
    decision = decide(payment, PollDue(), given.NOW + after)
    assert isinstance(decision, Applied), decision
    return decision


def unresolved_of(decision: Applied[Payment]) -> list[PaymentUnresolved]:
    return [message for message in decision.messages if isinstance(message, PaymentUnresolved)]


def test_a_refund_that_gets_no_answer_for_a_week_is_reported_once_and_still_asked_for() -> None:
    asked = given.after(paid(), given.refund(1200))

    early = later(asked, REFUND_ANSWER - timedelta(seconds=1))
    due = later(early.state, REFUND_ANSWER)
    after = later(due.state, REFUND_ANSWER + timedelta(days=2))

    assert unresolved_of(early) == []
    [emitted] = unresolved_of(due)
    assert (emitted.refund_id, emitted.amount, emitted.is_second_charge) == (
        given.REFUND_ID,
        Money(amount=1200, currency="EUR"),
        False,
    )
    assert [type(message) for message in after.messages] == [CreatePspRefund]


def test_a_refund_that_the_psp_does_not_settle_is_reported_after_two_weeks() -> None:
    pending = given.after(paid(), given.refund(), given.refund_updated(PspRefundState.PENDING))

    due = polled(pending)

    assert pending.due_at == given.NOW + REFUND_SETTLEMENT
    assert [message.refund_id for message in unresolved_of(due)] == [given.REFUND_ID]
    assert due.state.due_at is None


def test_a_refund_of_before_times_were_kept_waits_from_its_next_poll() -> None:
    stored = given.after(paid(), given.refund()).model_dump(mode="json")
    stored["refunds"] = [
        {key: value for key, value in refund.items() if key not in ("asked_at", "unresolved", "repeats", "reason")}
        for refund in stored["refunds"]
    ]

    first = later(Payment.model_validate(stored), timedelta(days=30))
    second = later(first.state, timedelta(days=30) + REFUND_ANSWER)

    assert (unresolved_of(first), len(unresolved_of(second))) == ([], 1)


def test_a_refund_asked_again_after_it_was_reported_is_the_same_one_and_waits_again() -> None:
    emitted = later(given.after(paid(), given.refund()), REFUND_ANSWER).state

    again = applied(emitted, given.refund())

    assert [message.refund_id for message in again.messages if isinstance(message, CreatePspRefund)] == [
        given.REFUND_ID
    ]
    assert [refund.unresolved for refund in again.state.refunds] == [False]


def test_the_failed_refund_of_a_second_charge_is_reported_and_repeated_on_the_same_charge() -> None:
    payment = twice_paid()
    [refund] = payment.refunds

    failed = applied(payment, given.refund_refused(refund.refund_id))
    repeat = given.refund(refund_id=RefundId("ref_again")).model_copy(update={"repeats": refund.refund_id})
    again = applied(failed.state, repeat)

    [emitted] = failed.messages
    assert isinstance(emitted, PaymentRefundFailed)
    assert (emitted.is_second_charge, emitted.amount, emitted.refunded.amount) == (True, given.AMOUNT, 0)
    [asked] = again.messages
    assert isinstance(asked, CreatePspRefund)
    assert asked.psp_reference == "pi_second"
    assert again.state.refundable == given.AMOUNT


def test_a_second_charge_is_not_refunded_twice() -> None:
    payment = twice_paid()
    [refund] = payment.refunds

    repeat = given.refund(refund_id=RefundId("ref_again")).model_copy(update={"repeats": refund.refund_id})
    refused = applied(payment, repeat)

    assert [type(message) for message in refused.messages] == [PaymentRefundFailed]


def test_the_refund_of_a_second_charge_is_reported_without_touching_the_totals() -> None:
    payment = twice_paid()
    [refund] = payment.refunds

    settled = applied(payment, given.refund_updated(refund_id=refund.refund_id, reference="pi_second"))

    [emitted] = settled.messages
    assert isinstance(emitted, PaymentRefunded)
    assert (emitted.is_second_charge, emitted.stage, emitted.refunded.amount) == (True, RefundStage.SUCCEEDED, 0)


def test_a_second_charge_for_the_same_order_goes_back() -> None:
    decision = applied(second_session(), given.succeeded(5, reference="pi_second"))

    [asked] = decision.messages
    assert isinstance(asked, CreatePspRefund)
    assert (asked.psp_reference, asked.amount) == ("pi_second", given.AMOUNT)
    assert decision.state.refundable == given.AMOUNT


def test_a_refund_reported_before_a_mismatched_success_is_reported_with_it() -> None:
    early = given.after(given.payable(), given.refund_updated(amount=800))

    decision = applied(early, given.succeeded(amount=Money(amount=4000, currency="EUR")))

    assert [type(message) for message in decision.messages] == [PaymentMismatched, PaymentRefunded]
