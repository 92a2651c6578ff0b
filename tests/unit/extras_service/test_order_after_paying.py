"""The rows after the happy path: cancelling, late money, refunds, reviews, disputes."""

from datetime import datetime, timedelta

import pytest

from chassis.decision import Applied, Duplicate, Ignored, Refused, Stale
from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import (
    OrderCancelled,
    OrderConfirmed,
    OrderFulfilled,
    OrderNeedsReview,
    OrderPaymentChanged,
    OrderStatus,
    PaymentStatus,
    Reason,
)
from contracts.payments import ClosePaymentSession, RefundPayment
from extras_service.order.decide import decide
from extras_service.order.inputs import OrderInput
from extras_service.order.state import Order
from tests.support import orders as given


def applied(order: Order, message: OrderInput) -> Applied[Order]:
    decision = decide(order, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


def refused(order: Order, message: OrderInput, reason: Reason) -> Refused:
    decision = decide(order, message, given.NOW)
    assert isinstance(decision, Refused), decision
    assert decision.reason == reason
    return decision


def standing(decision: Applied[Order]) -> tuple[OrderStatus, PaymentStatus]:
    return decision.state.status, decision.state.payment_status


# Cancelling


def test_an_order_without_a_started_payment_is_cancelled_at_once() -> None:
    decision = applied(given.placed(), given.cancelling_by_guest())

    assert standing(decision) == (OrderStatus.CANCELLED, PaymentStatus.UNPAID)
    assert [type(message) for message in decision.messages] == [OrderCancelled]


def test_an_order_with_an_open_session_is_cancelled_in_two_phases() -> None:
    first = applied(given.payable(), given.cancelling_by_guest())
    second = applied(first.state, given.session_closed())

    assert first.state.status is OrderStatus.CANCELLING
    assert [type(message) for message in first.messages] == [ClosePaymentSession]
    assert standing(second) == (OrderStatus.CANCELLED, PaymentStatus.UNPAID)
    assert [type(message) for message in second.messages] == [OrderCancelled]


def test_a_paid_order_is_cancelled_before_the_cut_off_and_all_of_it_goes_back() -> None:
    decision = applied(given.confirmed(), given.cancelling_by_guest())

    cancelled, refund = decision.messages
    assert decision.state.status is OrderStatus.CANCELLED
    assert isinstance(cancelled, OrderCancelled)
    assert isinstance(refund, RefundPayment)
    assert refund.amount == given.TOTAL


def test_after_the_cut_off_a_guest_is_shown_until_when_and_staff_may_still_cancel() -> None:
    paid = given.confirmed()
    assert paid.cancel_before is not None
    late = paid.cancel_before + timedelta(seconds=1)

    refusal = decide(paid, given.cancelling_by_guest(), late)
    by_staff = decide(paid, given.cancelling_by_staff(), late)

    assert isinstance(refusal, Refused)
    assert refusal.reason == Reason.CANCELLATION_TOO_LATE
    assert isinstance(by_staff, Applied)


@pytest.mark.parametrize(
    ("time_zone", "until", "in_words"),
    [
        ("UTC", "2026-07-02T00:00:00+00:00", "02 July 2026 00:00 (UTC)"),
        ("Europe/Vienna", "2026-07-01T22:00:00+00:00", "02 July 2026 00:00 (Europe/Vienna)"),
        ("Pacific/Kiritimati", "2026-07-01T10:00:00+00:00", "02 July 2026 00:00 (Pacific/Kiritimati)"),
    ],
)
def test_the_cut_off_is_counted_from_midnight_at_the_property(time_zone: str, until: str, in_words: str) -> None:
    placed = decide(None, given.placing(among=given.catalogue(given.offered(time_zone=time_zone))), given.NOW)
    assert isinstance(placed, Applied)

    paid = applied(placed.state, given.succeeded()).state
    refusal = decide(paid, given.cancelling_by_guest(), given.NOW + timedelta(days=1))

    assert paid.cancel_before == datetime.fromisoformat(until)
    assert isinstance(refusal, Refused)
    assert in_words in refusal.detail


def test_a_day_gone_by_cannot_be_ordered() -> None:
    refused = decide(None, given.placing(), datetime.fromisoformat("2026-07-04T00:00:00+00:00"))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.DAY_GONE_BY


def test_cancelling_twice_refunds_once() -> None:
    once = applied(given.confirmed(), given.cancelling_by_guest()).state

    assert isinstance(decide(once, given.cancelling_by_guest(), given.NOW), Ignored)


def test_what_the_guest_has_already_is_not_cancelled() -> None:
    refused(given.fulfilled(), given.cancelling_by_guest(), Reason.ORDER_NOT_CANCELLABLE)


# Money that comes late, or not as asked


@pytest.mark.parametrize("status", [OrderStatus.CANCELLING, OrderStatus.EXPIRED, OrderStatus.CANCELLED])
def test_a_late_success_on_a_closed_order_is_refunded_in_full(status: OrderStatus) -> None:
    decision = applied(given.in_status(status), given.succeeded())

    assert decision.state.status is OrderStatus.CANCELLED
    assert [message.amount for message in decision.messages if isinstance(message, RefundPayment)] == [given.TOTAL]


def test_a_late_success_of_another_amount_is_refunded_as_it_was_received() -> None:
    received = Money(amount=999, currency="EUR")

    decision = applied(given.expired(), given.succeeded(received))

    assert [message.amount for message in decision.messages if isinstance(message, RefundPayment)] == [received]


def test_a_late_success_twice_is_refunded_once() -> None:
    once = applied(given.expired(), given.succeeded()).state

    assert isinstance(decide(once, given.succeeded(), given.NOW), Ignored)


def test_a_payment_the_psp_never_answered_for_goes_to_a_person_and_can_no_longer_be_paid() -> None:
    decision = applied(given.payable(), given.unresolved())

    assert standing(decision) == (OrderStatus.NEEDS_REVIEW, PaymentStatus.MISMATCHED)
    assert [type(message) for message in decision.messages] == [OrderNeedsReview, ClosePaymentSession]


@pytest.mark.parametrize("order", [given.expired(), given.cancelled()], ids=["expired", "cancelled"])
def test_a_closed_order_whose_late_session_the_psp_never_answered_for_goes_to_a_person(order: Order) -> None:
    decision = applied(order, given.unresolved())

    assert standing(decision) == (OrderStatus.NEEDS_REVIEW, PaymentStatus.MISMATCHED)
    assert isinstance(decide(given.after(order, given.succeeded()), given.unresolved(), given.NOW), Stale)


# Reviews


def under_review() -> Order:
    """Paid less than it costs."""
    return given.after(given.payable(), given.succeeded(Money(amount=4000, currency="EUR")))


def test_a_review_that_is_accepted_confirms_the_order() -> None:
    decision = applied(under_review(), given.resolving(ReviewResolution.ACCEPT))

    assert standing(decision) == (OrderStatus.CONFIRMED, PaymentStatus.PAID)
    assert [type(message) for message in decision.messages] == [OrderConfirmed]


def test_a_review_that_is_refunded_cancels_the_order_and_gives_back_what_came() -> None:
    decision = applied(under_review(), given.resolving(ReviewResolution.REFUND))

    assert decision.state.status is OrderStatus.CANCELLED
    [back] = [message for message in decision.messages if isinstance(message, RefundPayment)]
    assert back.amount == Money(amount=4000, currency="EUR")


def test_a_second_refund_after_a_review_has_an_id_of_its_own() -> None:
    first = applied(under_review(), given.resolving(ReviewResolution.REFUND))
    [one] = [message for message in first.messages if isinstance(message, RefundPayment)]
    failed = applied(first.state, given.refund_failed(refund_id=one.refund_id))
    assert failed.state.status is OrderStatus.NEEDS_REVIEW

    second = applied(failed.state, given.resolving(ReviewResolution.REFUND))

    [two] = [message for message in second.messages if isinstance(message, RefundPayment)]
    assert two.refund_id != one.refund_id
    assert two.amount == one.amount


def test_money_that_comes_after_an_accepted_review_can_still_be_given_back() -> None:
    accepted = given.after(given.payable(), given.unresolved(), given.resolving(ReviewResolution.ACCEPT))

    paid = applied(accepted, given.succeeded()).state

    [back] = [
        message for message in applied(paid, given.cancelling_by_staff()).messages if isinstance(message, RefundPayment)
    ]
    assert back.amount == given.TOTAL


# Staff


def test_a_confirmed_order_is_fulfilled_and_twice_is_once() -> None:
    decision = applied(given.confirmed(), given.fulfilling())

    assert [type(message) for message in decision.messages] == [OrderFulfilled]
    assert isinstance(decide(decision.state, given.fulfilling(), given.NOW), Ignored)


def test_a_part_goes_back_then_all_that_is_left_and_never_more() -> None:
    part = applied(given.confirmed(), given.refunding(1800))
    rest = applied(part.state, given.refunding(refund_id=RefundId("ref_rest")))

    assert [message.amount.amount for message in (*part.messages, *rest.messages)] == [1800, 3000]  # type: ignore[union-attr]
    refused(rest.state, given.refunding(1, refund_id=RefundId("ref_more")), Reason.REFUND_EXCEEDS_PAID)


def test_the_same_refund_twice_is_asked_once_and_another_amount_is_refused() -> None:
    asked = applied(given.confirmed(), given.refunding(1800)).state

    assert isinstance(decide(asked, given.refunding(1800), given.NOW), Duplicate)
    refused(asked, given.refunding(900), Reason.IDEMPOTENCY_KEY_REUSED)


@pytest.mark.parametrize("amount", [0, -100, 10**12])
def test_a_refund_that_the_psp_cannot_move_is_refused(amount: int) -> None:
    refused(given.confirmed(), given.refunding(amount), Reason.REFUND_EXCEEDS_PAID)


def test_what_the_dashboard_left_with_a_half_is_refunded_to_the_last_of_it() -> None:
    half = given.refunded(0).model_copy(update={"refunded": Money(amount=1799, hundredths=50, currency="EUR")})
    part = applied(given.confirmed(), half).state

    assert part.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert part.refundable == Money(amount=3000, hundredths=50, currency="EUR")


def test_a_refund_in_another_currency_is_refused() -> None:
    refused(given.confirmed(), given.refunding(100, currency="CHF"), Reason.REFUND_EXCEEDS_PAID)


@pytest.mark.parametrize("message", [given.fulfilling("kamogawa"), given.cancelling_by_staff("kamogawa")])
def test_staff_of_another_property_find_no_such_order(message: OrderInput) -> None:
    refused(given.confirmed(), message, Reason.ORDER_NOT_FOUND)


# Money that moves afterwards


@pytest.mark.parametrize(
    ("amount", "status"), [(1800, PaymentStatus.PARTIALLY_REFUNDED), (4800, PaymentStatus.REFUNDED)]
)
def test_the_payment_status_follows_what_was_refunded(amount: int, status: PaymentStatus) -> None:
    decision = applied(given.confirmed(), given.refunded(amount))

    assert standing(decision) == (OrderStatus.CONFIRMED, status)
    assert [type(message) for message in decision.messages] == [OrderPaymentChanged]


def test_an_overtaken_refund_fact_is_stale() -> None:
    newest = applied(given.confirmed(), given.refunded(4800, fact_no=2)).state

    assert isinstance(decide(newest, given.refunded(1800, fact_no=1), given.NOW), Stale)


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED])
def test_a_refund_that_fails_for_a_closed_order_goes_to_a_person(status: OrderStatus) -> None:
    decision = applied(given.in_status(status), given.refund_failed())

    assert decision.state.status is OrderStatus.NEEDS_REVIEW


def test_a_refund_that_the_psp_made_twice_brings_the_order_before_a_person_once() -> None:
    doubled = given.refunded(2000).model_copy(
        update={"doubles": given.REFUND_ID, "refund_id": RefundId("ref_psp_re_2")}
    )

    reviewed = given.after(given.confirmed(), doubled)

    assert reviewed.status is OrderStatus.NEEDS_REVIEW
    assert given.REFUND_ID in (reviewed.review or "")
    assert reviewed.refunded == Money(amount=2000, currency="EUR")
    accepted = given.after(reviewed, given.resolving(ReviewResolution.ACCEPT))
    assert (accepted.status, accepted.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.PARTIALLY_REFUNDED)
    assert isinstance(decide(accepted, doubled, given.NOW), Stale)


def test_a_refund_that_the_psp_made_after_it_had_refused_it_brings_the_order_before_a_person() -> None:
    failed = given.after(given.confirmed(), given.refund_failed())
    made = given.refunded(2000).model_copy(update={"doubles": given.REFUND_ID, "refund_id": RefundId("ref_psp_re_1")})

    reviewed = given.after(failed, made.model_copy(update={"fact_no": 99}))

    assert reviewed.status is OrderStatus.NEEDS_REVIEW
    assert reviewed.review == f"the PSP made the refund {given.REFUND_ID} after it had refused it, as ref_psp_re_1"
    assert reviewed.refunded == Money(amount=2000, currency="EUR")


def test_a_failed_refund_of_a_confirmed_order_leaves_it_paid_and_can_be_asked_again() -> None:
    asked = applied(given.confirmed(), given.refunding()).state

    failed = applied(asked, given.refund_failed(refund_id=given.REFUND_ID))

    assert standing(failed) == (OrderStatus.CONFIRMED, PaymentStatus.PAID)
    assert failed.state.refundable == given.TOTAL


def test_a_dispute_shows_and_its_end_says_who_has_the_money() -> None:
    open_dispute = applied(given.fulfilled(), given.disputed())
    won = applied(open_dispute.state, given.dispute_closed(won=True))
    lost = applied(open_dispute.state, given.dispute_closed(won=False))

    assert open_dispute.state.payment_status is PaymentStatus.DISPUTED
    assert won.state.payment_status is PaymentStatus.PAID
    assert lost.state.payment_status is PaymentStatus.CHARGED_BACK


# Sessions that come and go out of order


@pytest.mark.parametrize(
    "status", [OrderStatus.EXPIRING, OrderStatus.CANCELLING, OrderStatus.EXPIRED, OrderStatus.CANCELLED]
)
def test_a_session_that_opens_on_a_closed_order_is_closed(status: OrderStatus) -> None:
    decision = applied(given.in_status(status), given.session_created())

    assert decision.state.status is status
    assert [type(message) for message in decision.messages] == [ClosePaymentSession]


def test_late_news_of_an_earlier_session_does_not_make_an_order_forget_the_next() -> None:
    lost = applied(given.payable(), given.session_closed()).state

    closing = applied(lost, given.cancelling_by_guest())

    assert closing.state.status is OrderStatus.CANCELLING, "the PSP is asked first, always"


def test_nothing_is_given_back_while_the_bank_decides() -> None:
    disputed = applied(given.confirmed(), given.disputed()).state

    refused(disputed, given.cancelling_by_staff(), Reason.ORDER_NOT_CANCELLABLE)
    refused(disputed, given.refunding(), Reason.ORDER_NOT_REFUNDABLE)


def test_what_the_bank_has_taken_back_is_not_given_back_again() -> None:
    lost = given.after(given.confirmed(), given.disputed(), given.dispute_closed(won=False))

    decision = applied(lost, given.cancelling_by_staff())

    assert standing(decision) == (OrderStatus.CANCELLED, PaymentStatus.CHARGED_BACK)
    assert [type(message) for message in decision.messages] == [OrderCancelled]
