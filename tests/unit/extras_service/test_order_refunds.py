"""Refunds of an order: a failed one is seen by staff until the guest has the money in another way."""

import pytest

from chassis.decision import Applied, Ignored, Refused, Stale
from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderNeedsReview, OrderRefundFailed, OrderStatus, PaymentStatus, Reason
from contracts.payments import PaymentRefunded, PaymentRefundFailed, RefundPayment, RefundStage
from extras_service.order.decide import decide
from extras_service.order.inputs import OrderInput
from extras_service.order.state import Order
from tests.support import orders as given
from tests.support.orders import REFUND_ID
from tests.unit.extras_service.test_order_after_paying import applied, refused, standing

AGAIN = RefundId(f"{REFUND_ID}_again")
SECOND = RefundId("ref_twice_pi_2")
PART = Money(amount=1200, currency="EUR")


def failed_part(order: Order) -> Order:
    """An order, paid, of which a refund of a part has failed."""
    return given.after(order, given.refunding(1200), given.refund_failed())


def second_charge_failed(order: Order) -> Applied[Order]:
    report = given.refund_failed(refund_id=SECOND).model_copy(update={"is_second_charge": True, "amount": given.TOTAL})
    return applied(order, report)


def without_an_outcome() -> Order:
    """A cancelled order; about the refund of all of it the PSP says nothing."""
    asked = given.after(given.confirmed(), given.cancelling_by_guest())
    silent = given.refund_unanswered(given.TOTAL.amount).model_copy(update={"refund_id": asked.refunds[0].refund_id})
    return given.after(asked, silent)


def made(order: Order) -> PaymentRefunded:
    """The PSP has made the order's refund after all."""
    report = given.refunded(given.TOTAL.amount, fact_no=3, refund_id=order.refunds[0].refund_id)
    return report.model_copy(update={"amount": given.TOTAL, "stage": RefundStage.SUCCEEDED})


def commands(decision: Applied[Order]) -> list[RefundPayment]:
    return [message for message in decision.messages if isinstance(message, RefundPayment)]


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.FULFILLED])
def test_a_failed_refund_of_a_paid_order_is_seen_by_staff_and_tells_an_event(status: OrderStatus) -> None:
    asked = given.after(given.in_status(status), given.refunding(1200), given.refunded(1200))

    decision = applied(asked, given.refund_failed(fact_no=2))

    assert standing(decision) == (status, PaymentStatus.PAID)
    [event] = [message for message in decision.messages if isinstance(message, OrderRefundFailed)]
    assert (event.refund_id, event.amount, event.detail) == (REFUND_ID, PART, "expired_or_canceled_card")
    assert decision.state.needs_attention
    assert decision.state.summary == f"{status} / paid, 1 refund failed"
    [seen] = decision.state.staff_view().refunds or ()
    assert (seen.stage, seen.amount, seen.asked_by, seen.reason) == ("failed", PART, "reception", "the spa was closed")
    assert (seen.asked_at, seen.detail, seen.needs_attention) == (given.NOW, "expired_or_canceled_card", True)


def test_a_guest_sees_no_refunds_one_by_one() -> None:
    assert failed_part(given.confirmed()).view().refunds is None


@pytest.mark.parametrize("how", ["settled outside", "review settled outside", "review accepted"])
def test_a_refund_that_the_psp_makes_after_staff_had_settled_it_comes_before_a_person(how: str) -> None:
    silent = without_an_outcome()
    refund_id = silent.refunds[0].refund_id
    decided: dict[str, OrderInput] = {
        "settled outside": given.settling_outside(given.TOTAL.amount, refund_id=refund_id),
        "review settled outside": given.resolving(ReviewResolution.SETTLED_OUTSIDE),
        "review accepted": given.resolving(ReviewResolution.ACCEPT),
    }
    settled = applied(silent, decided[how]).state

    both = applied(settled, made(settled)).state

    assert both.status is OrderStatus.NEEDS_REVIEW
    assert "after staff had settled it" in (both.review or "")
    assert isinstance(decide(both, made(both), given.NOW), Stale)


def test_a_review_of_a_refund_without_an_outcome_is_settled_outside_by_all_of_it() -> None:
    settled = applied(without_an_outcome(), given.resolving(ReviewResolution.SETTLED_OUTSIDE)).state

    failed = applied(settled, given.refund_failed(fact_no=3, refund_id=settled.refunds[0].refund_id)).state

    assert settled.given_outside == given.TOTAL.in_hundredths
    assert (failed.status, failed.refundable.amount) == (OrderStatus.CANCELLED, 0)


def test_a_failed_refund_is_reported_once() -> None:
    failed = failed_part(given.confirmed())

    assert isinstance(decide(failed, given.refund_failed(), given.NOW), Stale)
    later = applied(failed, given.refund_failed(fact_no=9))
    assert later.messages == ()


def test_a_failed_refund_is_asked_again_under_an_id_of_its_own() -> None:
    decision = applied(failed_part(given.fulfilled()), given.retrying())

    [command] = commands(decision)
    assert (command.refund_id, command.repeats, command.amount) == (AGAIN, REFUND_ID, PART)
    assert not decision.state.needs_attention
    assert isinstance(decide(decision.state, given.retrying(), given.NOW), Ignored)


def test_a_refund_that_fails_again_can_be_asked_a_third_time() -> None:
    twice = given.after(
        failed_part(given.confirmed()), given.retrying(), given.refund_failed(fact_no=2, refund_id=AGAIN)
    )

    decision = applied(twice, given.retrying(AGAIN))

    assert twice.needs_attention
    assert [command.refund_id for command in commands(decision)] == [f"{AGAIN}_again"]


def test_a_failed_refund_is_settled_outside_with_amount_and_reason() -> None:
    decision = applied(failed_part(given.confirmed()), given.settling_outside(1200))

    [seen] = decision.state.staff_view().refunds or ()
    assert seen.settled is not None
    assert (seen.settled.by, seen.settled.amount, seen.settled.reason) == ("reception", PART, "given in cash")
    assert not decision.state.needs_attention
    assert isinstance(decide(decision.state, given.settling_outside(1200), given.NOW), Ignored)


def test_what_was_given_outside_is_not_refunded_as_well() -> None:
    settled = given.after(failed_part(given.confirmed()), given.settling_outside(1200))

    assert settled.refundable == given.TOTAL - PART


@pytest.mark.parametrize("amount", [0, 1201])
def test_no_more_is_settled_outside_than_was_to_be_refunded(amount: int) -> None:
    refused(failed_part(given.confirmed()), given.settling_outside(amount), Reason.REFUND_EXCEEDS_PAID)


def test_what_is_on_its_way_back_is_not_given_outside_as_well() -> None:
    asked = given.after(failed_part(given.confirmed()), given.refunding(refund_id=RefundId("ref_all")))

    refused(asked, given.settling_outside(1200), Reason.REFUND_EXCEEDS_PAID)


def test_all_of_what_a_closed_order_owes_is_settled_outside() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest())
    [refund] = cancelled.refunds
    reviewed = given.after(cancelled, given.refund_failed(refund_id=refund.refund_id))

    refused(reviewed, given.settling_outside(4799, refund_id=refund.refund_id), Reason.REFUND_EXCEEDS_PAID)
    settled = applied(reviewed, given.settling_outside(4800, refund_id=refund.refund_id))

    assert settled.state.status is OrderStatus.CANCELLED
    assert not settled.state.needs_attention


@pytest.mark.parametrize("message", [given.retrying(), given.settling_outside()])
def test_a_refund_that_has_not_failed_is_neither_asked_again_nor_settled_outside(message: OrderInput) -> None:
    refused(given.after(given.confirmed(), given.refunding(1200)), message, Reason.REFUND_NOT_FAILED)


def test_a_failed_refund_is_settled_by_itself_where_all_the_money_is_back() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest(), given.refunded(4800))
    [refund] = cancelled.refunds

    decision = applied(cancelled, given.refund_failed(4800, fact_no=2, refund_id=refund.refund_id))

    assert standing(decision) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert decision.messages == ()
    assert not decision.state.needs_attention


def test_a_review_about_a_failed_refund_ends_when_the_money_is_back_in_another_way() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest())
    [refund] = cancelled.refunds
    reviewed = applied(cancelled, given.refund_failed(refund_id=refund.refund_id))

    decision = applied(reviewed.state, given.refunded(4800, fact_no=2, refund_id=RefundId("ref_psp_re_1")))

    assert [type(message) for message in reviewed.messages] == [OrderNeedsReview, OrderRefundFailed]
    assert standing(decision) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert decision.state.review is None


def test_a_review_about_a_failed_refund_ends_when_that_is_asked_again() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest())
    reviewed = given.after(cancelled, given.refund_failed(refund_id=cancelled.refunds[0].refund_id))

    decision = applied(reviewed, given.retrying(cancelled.refunds[0].refund_id))

    assert standing(decision) == (OrderStatus.CANCELLED, PaymentStatus.PAID)
    assert [command.amount for command in commands(decision)] == [given.TOTAL]


def test_a_review_about_a_failed_refund_does_not_end_when_more_is_back_than_was_paid() -> None:
    part = given.after(given.confirmed(), given.refunding(1200), given.refunded(1200), given.cancelling_by_guest())
    reviewed = given.after(part, given.refund_failed(1200, fact_no=2, refund_id=part.refunds[1].refund_id))

    decision = applied(reviewed, given.dispute_closed(won=False))

    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert "more than was paid" in (decision.state.review or "")


def test_a_review_about_something_else_does_not_end_with_its_refund() -> None:
    underpaid = given.after(given.payable(), given.succeeded(Money(amount=4000, currency="EUR")))

    decision = applied(underpaid, given.refunded(4000))

    assert decision.state.status is OrderStatus.NEEDS_REVIEW


@pytest.mark.parametrize("resolution", list(ReviewResolution))
def test_a_decided_review_covers_the_refund_that_led_to_it(resolution: ReviewResolution) -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest())
    reviewed = given.after(cancelled, given.refund_failed(refund_id=cancelled.refunds[0].refund_id))

    decided = applied(reviewed, given.resolving(resolution)).state

    assert not decided.needs_attention
    assert decided.refunds[0].settled is not None
    assert decided.refunds[0].settled.by == "reception"


def test_a_refund_without_an_outcome_is_seen_and_asked_again_under_the_same_id() -> None:
    silent = applied(given.after(given.confirmed(), given.refunding(1200)), given.refund_unanswered())

    again = applied(silent.state, given.retrying())

    [event] = [message for message in silent.messages if isinstance(message, OrderRefundFailed)]
    assert event.stage is RefundStage.REQUESTED
    assert silent.state.needs_attention
    assert [(command.refund_id, command.repeats) for command in commands(again)] == [(REFUND_ID, None)]
    assert not again.state.needs_attention


def test_a_refund_that_is_answered_after_all_needs_no_attention() -> None:
    silent = given.after(given.confirmed(), given.refunding(1200), given.refund_unanswered())
    report = given.refunded(1200).model_copy(update={"amount": PART, "stage": RefundStage.SUCCEEDED})

    answered = applied(silent, report)

    assert standing(answered) == (OrderStatus.CONFIRMED, PaymentStatus.PARTIALLY_REFUNDED)
    assert not answered.state.needs_attention
    assert isinstance(decide(answered.state, given.refund_unanswered(), given.NOW), Stale)


def test_a_refund_that_the_psp_is_at_is_not_asked_again() -> None:
    pending = given.refunded(0).model_copy(update={"amount": PART, "stage": RefundStage.PENDING})
    waits = given.after(given.confirmed(), given.refunding(1200), pending, given.refund_unanswered())

    refused(waits, given.retrying(), Reason.ORDER_NOT_REFUNDABLE)
    assert applied(waits, given.settling_outside()).state.needs_attention is False


def test_the_failed_refund_of_a_second_charge_brings_the_order_before_a_person() -> None:
    decision = second_charge_failed(given.fulfilled())

    again = applied(decision.state, given.retrying(SECOND))

    assert decision.state.status is OrderStatus.NEEDS_REVIEW
    assert [type(message) for message in decision.messages] == [OrderNeedsReview, OrderRefundFailed]
    assert standing(again) == (OrderStatus.FULFILLED, PaymentStatus.PAID)
    [command] = commands(again)
    assert (command.repeats, command.amount) == (SECOND, given.TOTAL)
    assert again.state.refundable == given.TOTAL


def test_a_review_that_is_refunded_gives_a_second_charge_back_too() -> None:
    reviewed = second_charge_failed(given.confirmed()).state

    decision = applied(reviewed, given.resolving(ReviewResolution.REFUND))

    assert decision.state.status is OrderStatus.CANCELLED
    assert [(command.amount, command.repeats) for command in commands(decision)] == [
        (given.TOTAL, None),
        (given.TOTAL, SECOND),
    ]


def test_a_review_that_is_accepted_does_not_keep_a_second_charge() -> None:
    accepted = applied(second_charge_failed(given.confirmed()).state, given.resolving(ReviewResolution.ACCEPT)).state

    assert accepted.status is OrderStatus.CONFIRMED
    assert accepted.needs_attention


def test_a_refund_made_in_the_dashboard_is_seen_too_and_counts_as_given_back() -> None:
    made = given.refunded(1000, refund_id=RefundId("ref_psp_re_1")).model_copy(
        update={"amount": Money(amount=1000, currency="EUR"), "stage": RefundStage.SUCCEEDED}
    )

    order = given.after(given.confirmed(), given.refunding(1200), made)

    assert [refund.refund_id for refund in order.staff_view().refunds or ()] == [REFUND_ID, "ref_psp_re_1"]
    assert order.refundable.amount == 4800 - 1200 - 1000


def test_a_refund_settles_in_the_staff_view_even_when_newer_facts_have_overtaken_it() -> None:
    asked = given.after(given.confirmed(), given.refunding(1200), given.refunded(3000, fact_no=5, refund_id=SECOND))

    overtaken = applied(asked, given.refunded(1200).model_copy(update={"amount": PART, "stage": RefundStage.SUCCEEDED}))

    assert overtaken.state.refunds[0].stage is RefundStage.SUCCEEDED
    assert overtaken.state.refunded == Money(amount=3000, currency="EUR")


def test_an_order_of_before_refunds_had_stages_shows_which_one_failed() -> None:
    stored = failed_part(given.confirmed()).model_dump(mode="json")
    stored["refunds"] = [{key: stored["refunds"][0][key] for key in ("refund_id", "amount", "reason")}]
    stored.pop("back_to")

    order = Order.model_validate(stored)

    assert order.refunds[0].stage is RefundStage.FAILED
    assert order.needs_attention


def test_facts_of_an_older_payment_service_still_count() -> None:
    cancelled = given.after(given.confirmed(), given.cancelling_by_guest())
    report = PaymentRefunded.model_validate(given.refunded(4800, refund_id=cancelled.refunds[0].refund_id).model_dump())
    failed = PaymentRefundFailed.model_validate(given.refund_failed(fact_no=2).model_dump())

    assert given.after(cancelled, report).payment_status is PaymentStatus.REFUNDED
    assert isinstance(decide(cancelled, failed, given.NOW), Applied)


def test_staff_of_another_property_settle_nothing() -> None:
    command = given.settling_outside().model_copy(update={"staff": given.staff("kamogawa")})

    decision = decide(failed_part(given.confirmed()), command, given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.ORDER_NOT_FOUND
