"""Disputes and the order: what the bank has taken, what is left to give back, and who looks at what does not add up."""

from itertools import permutations
from typing import Any

import pytest

from chassis.decision import Applied, Decision, Stale
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    DisputeStage,
    DisputeView,
    OrderCancelled,
    OrderNeedsReview,
    OrderStatus,
    PaymentStatus,
    Reason,
)
from contracts.payments import RefundPayment
from extras_service.order.decide import decide
from extras_service.order.inputs import OrderInput
from extras_service.order.state import Order
from tests.support import orders as given
from tests.unit.extras_service.test_order_after_paying import applied, refused

PART = Money(amount=1000, currency="EUR")
REST = Money(amount=3800, currency="EUR")


def settled(order: Order, *messages: OrderInput) -> Order:
    """The order after these messages, of which some may be stale."""
    for message in messages:
        decision: Decision[Order] = decide(order, message, given.NOW)
        assert isinstance(decision, Applied | Stale), decision
        order = decision.state if isinstance(decision, Applied) else order
    return order


def lost_a_part() -> Order:
    return given.after(given.confirmed(), given.disputed(amount=PART), given.dispute_closed(won=False, amount=PART))


def cancelled_and_refunded() -> Order:
    return given.after(given.confirmed(), given.cancelling_by_staff(), given.refunded(4800))


def test_a_part_disputed_and_lost_leaves_the_rest_refundable() -> None:
    order = lost_a_part()

    decision = applied(order, given.refunding())

    assert (order.lost, order.refundable) == (PART, REST)
    assert [message.amount for message in decision.messages if isinstance(message, RefundPayment)] == [REST]


def test_cancelling_gives_back_what_the_bank_has_not_taken() -> None:
    decision = applied(lost_a_part(), given.cancelling_by_staff())

    assert [type(message) for message in decision.messages] == [OrderCancelled, RefundPayment]
    assert [message.amount for message in decision.messages if isinstance(message, RefundPayment)] == [REST]


def test_more_than_the_rest_is_refused() -> None:
    refused(lost_a_part(), given.refunding(3801), Reason.REFUND_EXCEEDS_PAID)


def test_the_guest_may_be_refunded_during_an_inquiry() -> None:
    asked_about = given.after(given.confirmed(), given.disputed(inquiry=True))

    refund = applied(asked_about, given.refunding())
    cancelled = applied(asked_about, given.cancelling_by_staff())

    assert any(isinstance(message, RefundPayment) for message in refund.messages)
    assert cancelled.state.status is OrderStatus.CANCELLED


def test_an_inquiry_that_becomes_a_dispute_stops_refunds() -> None:
    order = given.after(given.confirmed(), given.disputed(inquiry=True), given.disputed(fact_no=2))

    refused(order, given.refunding(), Reason.ORDER_NOT_REFUNDABLE)


def test_an_appeal_opens_the_dispute_again_and_may_turn_it() -> None:
    lost = given.after(given.confirmed(), given.disputed(), given.dispute_closed(won=False))

    appealed = given.after(lost, given.disputed(fact_no=3))
    won = given.after(appealed, given.dispute_closed(won=True, fact_no=4))

    assert [order.payment_status for order in (lost, appealed, won)] == [
        PaymentStatus.CHARGED_BACK,
        PaymentStatus.DISPUTED,
        PaymentStatus.PAID,
    ]
    assert won.refundable == given.TOTAL


def test_facts_about_one_dispute_may_come_in_any_order() -> None:
    facts: tuple[OrderInput, ...] = (given.disputed(), given.dispute_closed(won=True), given.disputed(fact_no=3))

    orders = [settled(given.confirmed(), *each) for each in permutations(facts)]

    assert {order.disputes[0].stage for order in orders} == {DisputeStage.OPEN}


def test_facts_are_ordered_by_the_psps_time_when_a_restored_payment_counts_from_the_start_again() -> None:
    opened = given.after(given.confirmed(), given.disputed(fact_no=7, reported_at=given.NOW))

    newer = applied(opened, given.disputed(fact_no=1, inquiry=True, reported_at=given.DEADLINE))
    older = decide(newer.state, given.disputed(fact_no=9, reported_at=given.NOW), given.NOW)

    assert newer.state.disputes[0].stage is DisputeStage.INQUIRY
    assert isinstance(older, Stale)


def test_several_disputes_each_take_their_part() -> None:
    order = given.after(
        lost_a_part(),
        given.disputed("dp_2", amount=PART, fact_no=3),
        given.dispute_closed(won=False, dispute_id="dp_2", amount=PART, fact_no=4),
    )

    assert order.refundable == Money(amount=2800, currency="EUR")


def test_a_dispute_in_another_currency_leaves_nothing_to_give_back() -> None:
    dollars = Money(amount=5300, currency="USD")

    order = given.after(given.confirmed(), given.dispute_closed(won=False, amount=dollars))

    assert (order.lost, order.refundable) == (given.TOTAL, Money.zero("EUR"))


def test_a_dispute_of_a_second_charge_leaves_the_orders_own_money_alone() -> None:
    order = given.after(given.confirmed(), given.dispute_closed(won=False, is_second_charge=True))

    assert order.refundable == given.TOTAL


def test_money_that_an_appeal_brings_back_to_a_closed_order_goes_before_a_person() -> None:
    lost = given.after(
        given.confirmed(), given.disputed(), given.dispute_closed(won=False), given.cancelling_by_staff()
    )

    decision = applied(lost, given.dispute_closed(won=True, fact_no=3))

    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert decision.state.refundable == given.TOTAL


def test_a_guest_who_has_the_money_twice_goes_before_a_person() -> None:
    decision = applied(cancelled_and_refunded(), given.dispute_closed(won=False, fact_no=2))

    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert any(isinstance(message, OrderNeedsReview) for message in decision.messages)


def test_cancelling_what_was_refunded_and_lost_goes_before_a_person_once() -> None:
    order = given.after(given.confirmed(), given.refunded(4800), given.dispute_closed(won=False))

    cancelled = applied(order, given.cancelling_by_staff())
    decided = applied(cancelled.state, given.resolving(ReviewResolution.REFUND))

    assert cancelled.state.status is OrderStatus.NEEDS_REVIEW
    assert decided.state.status is OrderStatus.CANCELLED


def test_a_refund_that_settles_after_the_bank_took_the_money_goes_before_a_person() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_staff())
    lost = given.after(cancelled, given.dispute_closed(won=False, fact_no=1))

    decision = applied(lost, given.refunded(4800, fact_no=2))

    assert lost.status is OrderStatus.CANCELLED
    assert decision.state.status is OrderStatus.NEEDS_REVIEW


def test_a_refund_that_fails_because_the_bank_took_all_of_it_needs_no_person() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_staff())
    lost = given.after(cancelled, given.dispute_closed(won=False, fact_no=1))

    decision = applied(lost, given.refund_failed(fact_no=2))

    assert (decision.state.status, decision.state.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.CHARGED_BACK)


def test_a_dispute_won_on_a_closed_order_that_was_refunded_changes_nothing_else() -> None:
    order = given.after(cancelled_and_refunded(), given.disputed(fact_no=2), given.dispute_closed(won=True, fact_no=3))

    assert (order.status, order.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)


def test_staff_see_each_dispute_with_amount_stage_and_the_psps_word_and_guests_see_none() -> None:
    event = given.disputed(amount=PART, reported_at=given.NOW).model_copy(update={"status": "needs_response"})

    order = given.after(given.confirmed(), event)

    assert order.view().disputes is None
    assert order.staff_view().disputes == (
        DisputeView(
            dispute_id="dp_1", stage=DisputeStage.OPEN, amount=PART, status="needs_response", reported_at=given.NOW
        ),
    )


# Orders stored by versions that kept ids only


def stored(order: Order, **changes: Any) -> Order:
    return Order.model_validate({**order.model_dump(mode="json"), **changes})


def test_an_order_stored_without_records_counts_a_lost_dispute_as_all_of_it() -> None:
    values = given.confirmed().model_dump(mode="json")
    del values["disputes"]

    order = Order.model_validate({**values, "open_disputes": ["dp_1"], "lost_disputes": ["dp_2"]})

    assert [(each.dispute_id, each.stage) for each in order.disputes] == [
        ("dp_1", DisputeStage.OPEN),
        ("dp_2", DisputeStage.LOST),
    ]
    assert order.refundable == Money.zero("EUR")
    assert order.is_contested


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"open_disputes": [], "lost_disputes": ["dp_1"]}, DisputeStage.LOST),
        ({"open_disputes": [], "lost_disputes": []}, DisputeStage.WON),
        ({"open_disputes": ["dp_1"], "lost_disputes": []}, DisputeStage.OPEN),
    ],
)
def test_what_an_older_version_wrote_beside_the_records_counts(changes: dict[str, Any], stage: DisputeStage) -> None:
    order = stored(given.after(given.confirmed(), given.disputed(amount=PART)), **changes)

    assert [(each.stage, each.amount) for each in order.disputes] == [(stage, PART)]


def test_an_order_is_read_as_it_was_written() -> None:
    order = given.after(
        lost_a_part(), given.disputed("dp_2", fact_no=3, inquiry=True), given.disputed("dp_3", fact_no=4)
    )

    assert stored(order) == order
