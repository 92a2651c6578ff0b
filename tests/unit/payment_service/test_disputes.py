"""Disputes of a payment: the newest report by the PSP's own time counts, in parts and after appeals too."""

from itertools import permutations

import pytest

from chassis.decision import Applied, Ignored, Stale
from contracts.money import Money
from contracts.payments import PaymentDisputeClosed, PaymentDisputed, PaymentRefundFailed
from contracts.psp import PspDisputeState, PspDisputeUpdated
from payment_service.payment.decide import decide
from payment_service.payment.state import Payment
from tests.support import payments as given

PART = Money(amount=1000, currency="EUR")
S = PspDisputeState


def paid() -> Payment:
    return given.after(given.payable(), given.succeeded())


def after_report(payment: Payment, report: PspDisputeUpdated) -> Applied[Payment]:
    decision = decide(payment, report, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


@pytest.mark.parametrize(
    ("before", "after"), [(S.WON, S.OPEN), (S.LOST, S.OPEN), (S.WON, S.LOST), (S.LOST, S.WON), (S.INQUIRY, S.OPEN)]
)
def test_a_newer_report_reopens_or_turns_what_was_decided(before: PspDisputeState, after: PspDisputeState) -> None:
    payment = given.after(paid(), given.dispute(before, seconds=3))

    decision = after_report(payment, given.dispute(after, seconds=9))

    assert [dispute.state for dispute in decision.state.disputes] == [after]
    assert len(decision.messages) == 1


def test_an_older_report_is_overtaken() -> None:
    payment = given.after(paid(), given.dispute(S.LOST, seconds=9))

    assert isinstance(decide(payment, given.dispute(S.OPEN, seconds=3), given.NOW), Stale)


def test_of_two_reports_of_one_second_the_one_further_on_counts() -> None:
    opened, lost = given.dispute(S.OPEN, seconds=3), given.dispute(S.LOST, seconds=3)

    assert isinstance(decide(given.after(paid(), lost), opened, given.NOW), Stale)
    assert given.after(paid(), opened, lost).disputes[0].state is S.LOST


def test_the_same_report_again_is_ignored() -> None:
    payment = given.after(paid(), given.dispute())

    assert isinstance(decide(payment, given.dispute(), given.NOW), Ignored)


def test_an_appeal_is_known_to_be_newer_even_when_what_it_appeals_against_comes_later() -> None:
    opened, lost, appealed = (
        given.dispute(state, seconds=seconds) for state, seconds in ((S.OPEN, 3), (S.LOST, 6), (S.OPEN, 9))
    )

    for order in permutations((opened, lost, appealed)):
        payment = paid()
        for report in order:
            decision = decide(payment, report, given.NOW)
            payment = decision.state if isinstance(decision, Applied) else payment
        assert payment.disputes[0].state is S.OPEN


def test_the_order_receives_the_amount_the_stage_and_the_psps_own_word() -> None:
    opened = after_report(paid(), given.dispute(S.OPEN, amount=PART, status="needs_response"))
    closed = after_report(opened.state, given.dispute(S.LOST, seconds=9, amount=PART, status="prevented"))

    assert opened.messages == (
        PaymentDisputed(
            order_id=given.ORDER_ID,
            payment_id=given.PAYMENT_ID,
            fact_no=1,
            dispute_id="dp_1",
            amount=PART,
            inquiry=False,
            status="needs_response",
            reported_at=given.at(3),
        ),
    )
    assert closed.messages == (
        PaymentDisputeClosed(
            order_id=given.ORDER_ID,
            payment_id=given.PAYMENT_ID,
            fact_no=2,
            dispute_id="dp_1",
            amount=PART,
            won=False,
            status="prevented",
            reported_at=given.at(9),
        ),
    )


def test_what_a_part_dispute_took_is_not_refundable_and_the_rest_is() -> None:
    payment = given.after(paid(), given.dispute(S.LOST, amount=PART))

    rest = decide(payment, given.refund(3800), given.NOW)
    more = decide(payment, given.refund(3801), given.NOW)

    assert payment.refundable == Money(amount=3800, currency="EUR")
    assert isinstance(rest, Applied)
    assert not any(isinstance(message, PaymentRefundFailed) for message in rest.messages)
    assert isinstance(more, Applied)
    assert any(isinstance(message, PaymentRefundFailed) for message in more.messages)


def test_several_lost_disputes_add_up_to_at_most_what_was_received() -> None:
    most = Money(amount=4000, currency="EUR")
    payment = given.after(
        paid(), given.dispute(S.LOST, "dp_1", amount=PART), given.dispute(S.LOST, "dp_2", amount=most)
    )

    assert payment.lost == given.AMOUNT
    assert payment.refundable == Money.zero("EUR")


def test_a_lost_dispute_in_another_currency_counts_as_all_of_it() -> None:
    dollars = Money(amount=5300, currency="USD")

    assert given.after(paid(), given.dispute(S.LOST, amount=dollars)).lost == given.AMOUNT


def test_a_dispute_of_a_second_charge_takes_nothing_of_the_first() -> None:
    twice = given.after(paid(), given.succeeded(reference="pi_2"))

    decision = after_report(twice, given.dispute(S.LOST, reference="pi_2"))

    assert decision.state.lost == Money.zero("EUR")
    (event,) = decision.messages
    assert isinstance(event, PaymentDisputeClosed)
    assert event.is_second_charge


def test_a_dispute_stored_by_an_older_version_is_overtaken_by_any_report() -> None:
    stored = given.after(paid(), given.dispute(S.LOST)).model_dump(mode="json")
    for field in ("status", "psp_reference", "reported_at"):
        del stored["disputes"][0][field]
    payment = Payment.model_validate(stored)

    decision = after_report(payment, given.dispute(S.WON))

    assert payment.lost == given.AMOUNT
    assert decision.state.lost == Money.zero("EUR")
