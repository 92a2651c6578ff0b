"""Payments that are authorised first and captured once the hotel has approved the order."""

from datetime import timedelta

import pytest

from chassis.decision import Applied, Decision, Ignored, Stale
from contracts.money import Money
from contracts.payments import (
    PaymentAuthorised,
    PaymentMismatched,
    PaymentSessionClosed,
    PaymentSucceeded,
    PaymentUnresolved,
)
from contracts.psp import (
    CapturePspSession,
    ClosePspSession,
    CreatePspSession,
    PspPaymentHeld,
    RetrievePspSession,
)
from payment_service.payment.capture import LAPSES_AFTER
from payment_service.payment.decide import decide
from payment_service.payment.inputs import AmountChangedError, PaymentInput, PollDue
from payment_service.payment.state import Payment, PaymentStage
from tests.support import payments as given


def _applied(payment: Payment | None, message: PaymentInput) -> Applied[Payment]:
    decision: Decision[Payment] = decide(payment, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


def _authorised() -> Payment:
    return given.in_status(PaymentStage.AUTHORISED)


def test_its_session_is_asked_for_to_be_captured_later() -> None:
    decided = _applied(None, given.create().model_copy(update={"is_captured_later": True}))

    (request,) = decided.messages
    assert isinstance(request, CreatePspSession)
    assert request.is_captured_later
    assert decided.state.is_captured_later


def test_an_authorisation_lapses_after_seven_days_unless_the_psp_names_its_end() -> None:
    unknown = _applied(given.capturable(), given.authorised(5))
    named = _applied(unknown.state, given.authorised(6, capture_before=given.at(3600)))

    event, question = unknown.messages
    assert isinstance(event, PaymentAuthorised)
    assert event.capture_before == given.at(5) + LAPSES_AFTER
    assert isinstance(question, RetrievePspSession)
    (named_end,) = named.messages
    assert isinstance(named_end, PaymentAuthorised)
    assert named_end.capture_before == given.at(3600)


def test_an_answer_that_names_no_end_is_not_followed_by_the_same_question() -> None:
    answer = given.authorised(6).model_copy(update={"is_answer": True})

    assert [type(message) for message in _applied(_authorised(), answer).messages] == [PaymentAuthorised]
    assert [type(message) for message in _applied(given.capturable(), answer).messages] == [PaymentAuthorised]


def test_the_order_may_ask_for_an_authorisation_that_it_has_lost() -> None:
    assert [type(message) for message in _applied(_authorised(), given.create()).messages] == [PaymentAuthorised]


def test_it_is_captured_only_when_asked() -> None:
    capturing = _applied(_authorised(), given.capture())
    captured = _applied(capturing.state, given.succeeded(3))

    (request,) = capturing.messages
    assert isinstance(request, CapturePspSession)
    assert (request.psp_reference, request.amount) == (given.REFERENCE, given.AMOUNT)
    assert captured.state.status is PaymentStage.SUCCEEDED
    assert [type(message) for message in captured.messages] == [PaymentSucceeded]


def test_a_capture_without_an_answer_is_asked_for_again_by_polls() -> None:
    silent = _applied(given.in_status(PaymentStage.CAPTURING), given.unanswered(CapturePspSession))

    due = silent.state.due_at
    assert due is not None
    polled = decide(silent.state, PollDue(), due)

    assert silent.state.status is PaymentStage.UNKNOWN
    assert isinstance(polled, Applied)
    assert [type(message) for message in polled.messages] == [CapturePspSession]


def test_an_answer_that_it_is_still_authorised_waits_for_the_next_poll() -> None:
    answer = given.authorised(4).model_copy(update={"is_answer": True})

    decided = _applied(given.in_status(PaymentStage.CAPTURING), answer)

    assert (decided.state.status, decided.messages) == (PaymentStage.CAPTURING, ())
    assert decided.state.due_at is not None


@pytest.mark.parametrize("stage", [PaymentStage.AUTHORISED, PaymentStage.CAPTURING])
def test_what_is_not_authorised_any_more_is_closed(stage: PaymentStage) -> None:
    for report in (given.failed(9), given.session_open(9)):
        decided = _applied(given.in_status(stage), report)

        assert decided.state.status is PaymentStage.CLOSING
        assert [type(message) for message in decided.messages] == [ClosePspSession]
    lapsed = _applied(given.in_status(stage), given.canceled(9))
    assert [type(message) for message in lapsed.messages] == [PaymentSessionClosed]


def test_a_look_at_the_session_in_the_second_of_its_authorisation_closes_nothing() -> None:
    payment = given.after(given.capturable(), given.authorised(5))

    assert isinstance(decide(payment, given.session_open(5), given.NOW), Stale)


def test_closing_voids_the_authorisation() -> None:
    closing = _applied(_authorised(), given.close())
    raced = _applied(closing.state, given.authorised(7))

    assert [type(message) for message in closing.messages] == [ClosePspSession]
    assert [type(message) for message in raced.messages] == [ClosePspSession]
    assert isinstance(decide(closing.state, given.capture(), given.NOW), Stale)


def test_an_authorisation_of_another_amount_is_cancelled_and_needs_a_person() -> None:
    other = given.authorised().model_copy(update={"authorised": PART})

    decided = _applied(given.capturable(), other)

    assert decided.state.status is PaymentStage.CLOSING
    assert [type(message) for message in decided.messages] == [PaymentUnresolved, ClosePspSession]


def test_an_authorisation_that_was_not_asked_for_is_cancelled_and_needs_a_person() -> None:
    decided = _applied(given.payable(), given.authorised())

    assert decided.state.status is PaymentStage.CLOSING
    assert [type(message) for message in decided.messages] == [PaymentUnresolved, ClosePspSession]


def test_a_payment_that_has_lost_its_session_cannot_be_captured_and_needs_a_person() -> None:
    decided = _applied(given.created(), given.capture())

    assert [type(message) for message in decided.messages] == [PaymentUnresolved]


def test_a_capture_is_answered_from_what_is_known() -> None:
    paid = _applied(given.in_status(PaymentStage.SUCCEEDED), given.capture())
    closed = _applied(given.in_status(PaymentStage.CLOSED), given.capture())

    assert [type(message) for message in paid.messages] == [PaymentSucceeded]
    assert [type(message) for message in closed.messages] == [PaymentSessionClosed]
    assert isinstance(decide(given.in_status(PaymentStage.MISMATCHED), given.capture(), given.NOW), Ignored)


def test_a_payment_that_waits_for_approval_is_polled_so_that_a_lost_webhook_is_found() -> None:
    payment = _authorised()

    assert payment.due_at is not None
    polled = decide(payment, PollDue(), payment.due_at)

    assert payment.due_at - given.NOW <= timedelta(hours=1)
    assert isinstance(polled, Applied)
    assert [type(message) for message in polled.messages] == [RetrievePspSession]


def test_a_part_that_is_paid_is_no_authorisation() -> None:
    report = PspPaymentHeld.model_validate(given.authorised().model_dump() | {"is_authorised_only": False})

    assert _applied(given.capturable(), report).state.status is PaymentStage.MISMATCHED


# A part of it


PART = given.AMOUNT.model_copy(update={"amount": 1200})


def test_a_part_is_captured_and_counts_as_paid() -> None:
    capturing = _applied(_authorised(), given.capture(PART))
    captured = _applied(capturing.state, given.succeeded(3, amount=PART))

    (request,) = capturing.messages
    assert isinstance(request, CapturePspSession)
    assert request.amount == PART
    assert captured.state.status is PaymentStage.SUCCEEDED
    (event,) = captured.messages
    assert isinstance(event, PaymentSucceeded)
    assert event.amount == captured.state.received == PART


def test_polls_ask_for_the_part_again() -> None:
    silent = _applied(_applied(_authorised(), given.capture(PART)).state, given.unanswered(CapturePspSession))
    due = silent.state.due_at
    assert due is not None

    polled = decide(silent.state, PollDue(), due)

    assert isinstance(polled, Applied)
    (request,) = polled.messages
    assert isinstance(request, CapturePspSession)
    assert request.amount == PART


def test_the_whole_that_is_captured_although_a_part_was_asked_for_needs_a_person() -> None:
    captured = _applied(_applied(_authorised(), given.capture(PART)).state, given.succeeded(3))

    assert captured.state.status is PaymentStage.MISMATCHED
    (event,) = captured.messages
    assert isinstance(event, PaymentMismatched)
    assert event.received == given.AMOUNT
    assert "48.00" in event.detail
    assert "12.00" in event.detail


@pytest.mark.parametrize("before", [PART, given.AMOUNT])
def test_another_amount_is_not_asked_for_while_one_is_being_captured(before: Money) -> None:
    capturing = _applied(_authorised(), given.capture(before)).state
    unknown = _applied(capturing, given.unanswered(CapturePspSession)).state
    other = PART if before == given.AMOUNT else given.AMOUNT

    for payment in (capturing, unknown):
        assert isinstance(decide(payment, given.capture(other), given.NOW), Stale)
        assert isinstance(decide(payment, given.capture(before), given.NOW), Applied)


@pytest.mark.parametrize("amount", [0, -1, 4801])
def test_an_amount_that_was_not_authorised_is_never_asked_for(amount: int) -> None:
    with pytest.raises(AmountChangedError):
        decide(_authorised(), given.capture(given.AMOUNT.model_copy(update={"amount": amount})), given.NOW)
    with pytest.raises(AmountChangedError):
        decide(_authorised(), given.capture(Money(amount=1200, currency="CHF")), given.NOW)


def test_a_session_that_is_opened_again_asks_for_the_whole() -> None:
    closed = given.after(_applied(_authorised(), given.capture(PART)).state, given.canceled(9))

    again = _applied(closed, given.create(request_no=closed.request_no + 1))

    assert again.state.expected == given.AMOUNT
