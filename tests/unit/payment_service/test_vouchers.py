"""Payments that are not over when the guest leaves the page: vouchers, transfers in part, authorisations."""

from chassis.decision import Applied, Decision, Stale
from contracts.payments import (
    ClosePaymentSession,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentMismatched,
    PaymentSucceeded,
    PaymentUnresolved,
)
from contracts.psp import ClosePspSession
from payment_service.payment.decide import decide
from payment_service.payment.inputs import PaymentInput
from payment_service.payment.state import Payment, PaymentStage
from tests.support import payments as given


def applied(payment: Payment, message: PaymentInput) -> Applied[Payment]:
    decision: Decision[Payment] = decide(payment, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


def test_the_order_hears_until_when_a_voucher_can_be_paid_at_each_report() -> None:
    until = given.at(3 * 24 * 3600)

    shown = applied(given.payable(), given.action_required(payable_until=until))
    polled = applied(shown.state, given.action_required(2, payable_until=until))

    expected = PaymentInstructionsIssued(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, payable_until=until)
    assert shown.messages == polled.messages == (expected,)
    assert shown.state.status is PaymentStage.ACTION_REQUIRED


def test_a_voucher_after_a_declined_card_is_not_reported_as_a_failure() -> None:
    declined = given.after(given.payable(), given.failed())

    decision = applied(declined, given.action_required(2, payable_until=given.at(99)))

    assert not any(isinstance(message, PaymentFailed) for message in decision.messages)


def test_a_voucher_that_a_poll_finds_gone_is_reported_as_a_failure_once_and_its_event_is_old_news() -> None:
    shown = given.after(given.payable(), given.action_required(payable_until=given.at(3 * 24 * 3600)))

    found = applied(shown, given.session_open(9))
    again = applied(found.state, given.session_open(10))
    event = decide(found.state, given.failed(8), given.NOW)

    assert found.state.status is PaymentStage.SESSION_OPEN
    assert [type(message) for message in found.messages] == [PaymentFailed]
    assert len(again.state.attempts) == 1
    assert isinstance(event, Stale)


def test_a_transfer_of_a_part_goes_before_a_person_and_the_session_stays_open() -> None:
    decision = applied(given.payable(), given.held())

    assert decision.state.status is PaymentStage.MISMATCHED
    (emitted,) = decision.messages
    assert isinstance(emitted, PaymentMismatched)
    assert emitted.received is None


def test_the_rest_of_a_transfer_is_believed_when_it_comes() -> None:
    held = given.after(given.payable(), given.held())

    decision = applied(held, given.succeeded(seconds=9))

    assert any(isinstance(message, PaymentSucceeded) for message in decision.messages)


def test_a_session_that_waits_for_a_person_is_closed_when_they_decide_against_it() -> None:
    held = given.after(given.payable(), given.held())

    decision = applied(held, ClosePaymentSession(order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID))

    assert [type(message) for message in decision.messages] == [ClosePspSession]


def test_an_authorisation_is_cancelled_and_a_person_hears_why() -> None:
    decision = applied(given.payable(), given.held(is_authorised_only=True))
    closed = applied(decision.state, given.canceled(2))

    assert [type(message) for message in decision.messages] == [PaymentUnresolved, ClosePspSession]
    assert closed.state.status is PaymentStage.CLOSED


def test_an_authorisation_that_is_not_cancelled_yet_is_cancelled_again() -> None:
    closing = given.after(given.payable(), given.held(is_authorised_only=True))

    decision = applied(closing, given.held(2, is_authorised_only=True))

    assert any(isinstance(message, ClosePspSession) for message in decision.messages)
