"""Every way out of a review: confirmed, refunded, or settled outside the PSP."""

import pytest

from chassis.decision import Applied, Refused
from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_actions import ActionKind, Direction, ReviewResolution, Role
from contracts.orders import (
    OrderCancelled,
    OrderExpired,
    OrderPaymentChanged,
    OrderStatus,
    PaymentStatus,
    Reason,
)
from contracts.payments import RefundPayment
from extras_service.order.decide import decide
from extras_service.order.inputs import AnotherReviewError
from extras_service.order.reviews import status_before
from extras_service.order.staff_view import staff_view
from extras_service.order.state import Order
from tests.support import orders as given

SOLD_OUT = Refused(Reason.OUT_OF_STOCK, "Massage on 2026-07-03: sold out.")
CANCELLATION = RefundId("ref_" + "a" * 26 + "_cancel")
ACCEPT, REFUND, OUTSIDE = ReviewResolution.ACCEPT, ReviewResolution.REFUND, ReviewResolution.SETTLED_OUTSIDE


def underpaid() -> Order:
    return given.after(given.payable(), given.succeeded(Money(amount=4000, currency="EUR")))


def refund_failed_after_cancelling() -> Order:
    return given.after(given.confirmed(), given.cancelling_by_staff(), given.refund_failed(refund_id=CANCELLATION))


def refund_failed_after_expiring() -> Order:
    """Paid too late: it stays closed, and its refund fails."""
    return given.after(given.expired().model_copy(update={"received": given.TOTAL}), given.refund_failed())


def refunded_twice(order: Order) -> Order:
    doubled = given.refunded(2000).model_copy(
        update={"doubles": given.REFUND_ID, "refund_id": RefundId("ref_psp_re_2")}
    )
    return given.after(order, doubled)


def test_a_review_is_not_accepted_without_its_places_and_the_sentence_says_what_is_possible() -> None:
    refused = decide(underpaid(), given.resolving(ACCEPT, no_places=SOLD_OUT), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_STOCK
    assert refused.detail.startswith("Massage on 2026-07-03: sold out. Refund the order")


def test_places_claimed_for_an_earlier_review_confirm_nothing() -> None:
    again = given.after(refund_failed_after_cancelling(), given.resolving(REFUND), given.refund_failed())
    assert again.reviews == 2

    with pytest.raises(AnotherReviewError):
        decide(again, given.resolving(ACCEPT, review_no=1), given.NOW)
    assert isinstance(decide(again, given.resolving(ACCEPT, review_no=2), given.NOW), Applied)


@pytest.mark.parametrize(
    ("order", "status", "event"),
    [
        (refund_failed_after_cancelling(), OrderStatus.CANCELLED, OrderCancelled),
        (refund_failed_after_expiring(), OrderStatus.EXPIRED, OrderExpired),
        (underpaid(), OrderStatus.CANCELLED, OrderCancelled),
    ],
    ids=["cancelled before", "expired before", "open before"],
)
def test_a_review_settled_outside_keeps_the_closed_status_and_counts_what_the_psp_holds_as_given_back(
    order: Order, status: OrderStatus, event: type
) -> None:
    decision = decide(order, given.resolving(OUTSIDE), given.NOW)

    assert isinstance(decision, Applied)
    settled = decision.state
    assert (settled.status, settled.payment_status) == (status, PaymentStatus.REFUNDED)
    assert [type(message) for message in decision.messages] == [event], "no money moves at the PSP"
    assert settled.settled(Direction.TO_GUEST) == order.received
    assert settled.refundable == Money.zero("EUR"), "none of it can be given back a second time"


def test_a_part_settled_outside_leaves_the_rest_to_be_refunded() -> None:
    settled = given.after(refund_failed_after_cancelling(), given.resolving(OUTSIDE, 3000))

    assert settled.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    decision = decide(settled, given.refunding(refund_id=RefundId("ref_rest")), given.NOW)
    assert isinstance(decision, Applied)
    assert [m.amount.amount for m in decision.messages if isinstance(m, RefundPayment)] == [1800]


@pytest.mark.parametrize(
    ("order", "amount", "sentence"),
    [
        (refund_failed_after_cancelling(), 4801, "At most €48.00"),
        (underpaid(), 4001, "At most €40.00"),
        (refunded_twice(given.confirmed()), 4801, "At most €48.00"),
        (refunded_twice(given.confirmed()), None, "Say how much the guest has paid"),
    ],
)
def test_more_than_there_is_cannot_have_been_settled_outside(order: Order, amount: int | None, sentence: str) -> None:
    refused = decide(order, given.resolving(OUTSIDE, amount), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.AMOUNT_NOT_SETTLEABLE
    assert refused.detail.startswith(sentence)


@pytest.mark.parametrize("before", [OrderStatus.CONFIRMED, OrderStatus.FULFILLED])
def test_a_guest_who_paid_outside_what_was_refunded_twice_keeps_the_order(before: OrderStatus) -> None:
    reviewed = refunded_twice(given.in_status(before))

    decision = decide(reviewed, given.resolving(OUTSIDE, 2000), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is before
    assert [type(message) for message in decision.messages] == [OrderPaymentChanged]
    assert decision.state.settled(Direction.FROM_GUEST) == Money(amount=2000, currency="EUR")


def test_a_second_charge_whose_refund_failed_is_settled_outside_by_all_of_it() -> None:
    failed = given.refund_failed(refund_id=RefundId("ref_twice")).model_copy(
        update={"is_second_charge": True, "amount": given.TOTAL}
    )
    reviewed = given.after(given.confirmed(), failed)
    assert reviewed.status is OrderStatus.NEEDS_REVIEW

    settled = given.after(reviewed, given.resolving(OUTSIDE))

    assert settled.status is OrderStatus.CONFIRMED
    [refund] = settled.refunds
    assert refund.settled is not None
    assert (refund.settled.amount, refund.settled.by) == (given.TOTAL, "reception")
    assert settled.settled_outside == (), "none of the order's own money"
    assert isinstance(decide(reviewed, given.resolving(OUTSIDE, 100), given.NOW), Refused)


def test_an_accepted_review_counts_what_the_guest_paid_in_cash() -> None:
    accepted = given.after(underpaid(), given.resolving(ACCEPT, 800))

    assert accepted.status is OrderStatus.CONFIRMED
    assert accepted.settled(Direction.FROM_GUEST) == Money(amount=800, currency="EUR")
    assert accepted.refundable == Money(amount=4000, currency="EUR"), "the PSP can refund only what it holds"


def test_what_was_given_already_stays_given_when_its_review_is_accepted() -> None:
    accepted = given.after(refunded_twice(given.fulfilled()), given.resolving(ACCEPT))

    assert accepted.status is OrderStatus.FULFILLED


def test_a_review_that_an_earlier_version_opened_is_settled_as_what_its_order_was() -> None:
    by_staff = {"reviewed_from": None, "reviews": 0, "actions": (), "closed_by": "reception: the guest is ill"}
    old = refund_failed_after_cancelling().model_copy(update=by_staff)

    assert status_before(old) is OrderStatus.CANCELLED
    assert given.after(old, given.resolving(ACCEPT, review_no=0)).status is OrderStatus.CONFIRMED
    details = staff_view(old).staff
    assert details is not None
    [action] = details.actions
    assert (action.by, action.role, action.reason, action.at) == ("reception", Role.STAFF, "the guest is ill", None)


def test_staff_see_who_did_what_when_and_why() -> None:
    order = given.after(refund_failed_after_cancelling(), given.resolving(OUTSIDE, 3000))

    details = staff_view(order).staff

    assert details is not None
    assert [(each.action, each.by, each.reason, each.at) for each in details.actions] == [
        (ActionKind.CANCELLED, "reception", "the guest is ill", given.NOW),
        (ActionKind.REVIEW_SETTLED_OUTSIDE, "reception", "talked to the guest", given.NOW),
    ]
    assert [each.amount and each.amount.amount for each in details.actions] == [None, 3000]
    assert order.view().staff is None, "guests do not"
