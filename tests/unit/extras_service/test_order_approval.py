"""Orders that the hotel approves before the guest is charged."""

from datetime import datetime, timedelta

import pytest

from chassis.decision import Applied, Ignored, Outgoing, Refused, Stale
from contracts.approvals import OrderApprovalNeeded, OrderApproved, OrderDeclined
from contracts.money import Money
from contracts.order_actions import ActionKind
from contracts.orders import OrderCancelled, OrderConfirmed, OrderNeedsReview, OrderStatus, PaymentStatus, Reason
from contracts.payments import (
    CapturePayment,
    ClosePaymentSession,
    CreatePaymentSession,
    RefundPayment,
)
from extras_service.order import approval
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, OrderInput
from extras_service.order.state import Order
from tests.support import orders as given

APPROVE_BY = given.LAPSES_AT - approval.VOIDED_AHEAD
REMINDED_AT = APPROVE_BY - approval.REMINDED_AHEAD


def _applied(order: Order | None, message: OrderInput, now: datetime = given.NOW) -> Applied[Order]:
    decision = decide(order, message, now)
    assert isinstance(decision, Applied), decision
    return decision


def _only(kind: type[Outgoing], messages: tuple[Outgoing, ...]) -> Outgoing:
    (found,) = (message for message in messages if isinstance(message, kind))
    return found


def test_one_extra_that_needs_approval_makes_its_order_need_it() -> None:
    extras = given.catalogue(given.offered(), given.offered(given.LATE_CHECKOUT, needs_approval=True))
    lines = (given.line(), given.line(given.LATE_CHECKOUT, quantity=1))

    order = given.after(None, given.placing(*lines, among=extras))

    assert [line.needs_approval for line in order.lines] == [False, True]
    assert order.needs_approval
    assert order.view().needs_approval
    assert not given.placed().needs_approval


@pytest.mark.parametrize("needs_approval", [True, False])
def test_its_payment_is_asked_to_be_captured_later(needs_approval: bool) -> None:
    placed = given.placed()
    lines = tuple(line.model_copy(update={"needs_approval": needs_approval}) for line in placed.lines)

    asked = _applied(placed.model_copy(update={"lines": lines}), given.starting())

    request = _only(CreatePaymentSession, asked.messages)
    assert isinstance(request, CreatePaymentSession)
    assert request.is_captured_later is needs_approval


def test_an_authorised_order_awaits_approval_until_some_hours_before_the_authorisation_lapses() -> None:
    decided = _applied(given.needing_approval(), given.authorised())

    order, (event,) = decided.state, decided.messages
    assert (order.status, order.payment_status) == (OrderStatus.AWAITING_APPROVAL, PaymentStatus.AUTHORISED)
    assert (order.view().approve_by, order.due_at) == (APPROVE_BY, REMINDED_AT)
    assert order.received is None
    assert order.needs_attention
    assert isinstance(event, OrderApprovalNeeded)
    assert (event.approve_by, event.is_reminder, event.total) == (APPROVE_BY, False, given.TOTAL)


def test_an_authorisation_that_lapses_soon_is_not_reminded_of() -> None:
    order = given.after(given.needing_approval(), given.authorised(given.NOW + timedelta(hours=20)))

    assert order.due_at == order.approve_by == given.NOW + timedelta(hours=8)


def test_the_psps_own_end_of_the_authorisation_counts() -> None:
    earlier = given.LAPSES_AT - timedelta(days=2)

    decided = _applied(given.awaiting_approval(), given.authorised(earlier))

    assert decided.state.approve_by == earlier - approval.VOIDED_AHEAD
    assert decided.messages == ()


def test_an_order_is_placed_paid_and_never_authorised_twice_by_a_redelivery() -> None:
    assert isinstance(decide(given.awaiting_approval(), given.authorised(), given.NOW), Ignored)
    assert isinstance(decide(given.awaiting_approval(), given.session_created(), given.NOW), Stale)
    assert isinstance(decide(given.confirmed(), given.authorised(), given.NOW), Stale)


def test_an_authorisation_of_a_session_that_was_closed_does_not_count() -> None:
    order = given.after(given.needing_approval(), given.session_closed(request_no=1))

    assert isinstance(decide(order, given.authorised(request_no=1), given.NOW), Stale)


def test_approval_asks_to_capture_and_the_captured_payment_confirms() -> None:
    approved = _applied(given.awaiting_approval(), given.approving())
    paid = _applied(approved.state, given.succeeded())

    assert approved.state.status is OrderStatus.CAPTURING
    assert approved.state.due_at is None
    assert isinstance(approved.messages[0], OrderApproved)
    assert approved.messages[1] == CapturePayment(
        order_id=given.ORDER_ID, payment_id=given.PAYMENT_ID, amount=given.TOTAL
    )
    assert [(act.action, act.by) for act in approved.state.actions] == [(ActionKind.APPROVED, "reception")]
    assert paid.state.status is OrderStatus.CONFIRMED
    assert isinstance(paid.messages[0], OrderConfirmed)


def test_a_capture_that_the_payment_service_has_lost_is_asked_for_again() -> None:
    again = _applied(given.capturing(), given.authorised())

    assert again.state.status is OrderStatus.CAPTURING
    assert [type(message) for message in again.messages] == [CapturePayment]


def test_a_declined_order_is_voided_first_and_its_guest_is_told_why() -> None:
    declining = _applied(given.awaiting_approval(), given.declining("We are full."))
    declined = _applied(declining.state, given.session_closed())

    assert declining.state.status is OrderStatus.CANCELLING
    assert [type(message) for message in declining.messages] == [ClosePaymentSession]
    order, (event,) = declined.state, declined.messages
    assert (order.status, order.payment_status) == (OrderStatus.DECLINED, PaymentStatus.UNPAID)
    assert order.view().declined_because == "We are full."
    assert isinstance(event, OrderDeclined)
    assert event.reason == "We are full."


def test_staff_are_reminded_once_and_then_it_is_declined_by_itself() -> None:
    reminded = _applied(given.awaiting_approval(), DeadlinePassed(), REMINDED_AT)
    declining = _applied(reminded.state, DeadlinePassed(), APPROVE_BY)
    declined = _applied(declining.state, given.session_closed(), APPROVE_BY)

    (reminder,) = reminded.messages
    assert isinstance(reminder, OrderApprovalNeeded)
    assert reminder.is_reminder
    assert (reminded.state.status, reminded.state.due_at) == (OrderStatus.AWAITING_APPROVAL, APPROVE_BY)
    assert isinstance(decide(reminded.state, DeadlinePassed(), REMINDED_AT), Stale)
    assert [type(message) for message in declining.messages] == [ClosePaymentSession]
    assert declined.state.status is OrderStatus.DECLINED
    assert declined.state.declined_because == approval.NOT_APPROVED_IN_TIME


@pytest.mark.parametrize("order", [given.awaiting_approval(), given.capturing()], ids=lambda order: str(order.status))
def test_an_authorisation_that_is_gone_declines_the_order(order: Order) -> None:
    decided = _applied(order, given.session_closed())

    assert (decided.state.status, decided.state.payment_status) == (OrderStatus.DECLINED, PaymentStatus.UNPAID)
    assert decided.state.declined_because


@pytest.mark.parametrize("order", [given.awaiting_approval(), given.capturing()], ids=lambda order: str(order.status))
def test_a_guest_may_cancel_meanwhile_and_the_psp_decides_whether_it_was_captured(order: Order) -> None:
    cancelling = _applied(order, given.cancelling_by_guest())
    voided = _applied(cancelling.state, given.session_closed())
    captured = _applied(cancelling.state, given.succeeded())

    assert [type(message) for message in cancelling.messages] == [ClosePaymentSession]
    assert voided.state.status is OrderStatus.CANCELLED
    assert isinstance(voided.messages[0], OrderCancelled)
    assert captured.state.status is OrderStatus.CANCELLED
    assert isinstance(_only(RefundPayment, captured.messages), RefundPayment)


def test_a_declined_order_that_was_captured_all_the_same_is_refunded_and_stays_declined() -> None:
    decided = _applied(given.declined(), given.succeeded())

    assert decided.state.status is OrderStatus.DECLINED
    refund = _only(RefundPayment, decided.messages)
    assert isinstance(refund, RefundPayment)
    assert refund.amount == given.TOTAL


@pytest.mark.parametrize("order", [given.needing_approval(), given.awaiting_approval()], ids=lambda it: str(it.status))
def test_a_charge_without_approval_needs_a_person(order: Order) -> None:
    decided = _applied(order, given.succeeded())

    assert decided.state.status is OrderStatus.NEEDS_REVIEW
    assert decided.state.received == given.TOTAL
    assert isinstance(decided.messages[0], OrderNeedsReview)
    approved = _applied(decided.state, given.approving())
    assert approved.state.status is OrderStatus.CONFIRMED
    assert approved.state.review is None
    assert isinstance(decide(given.needs_review(), given.approving(), given.NOW), Refused)


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.DECLINED])
def test_an_authorisation_on_a_closed_order_is_voided(status: OrderStatus) -> None:
    decided = _applied(given.in_status(status), given.authorised())

    assert decided.state.status is status
    assert [type(message) for message in decided.messages] == [ClosePaymentSession]


def test_a_disputed_authorisation_cannot_be_approved_but_declined() -> None:
    order = given.after(given.awaiting_approval(), given.disputed())

    refused = decide(order, given.approving(), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.ORDER_NOT_APPROVABLE
    assert given.after(order, given.declining()).status is OrderStatus.CANCELLING


def test_deciding_twice_changes_nothing() -> None:
    assert isinstance(decide(given.capturing(), given.approving(), given.NOW), Ignored)
    assert isinstance(decide(given.declined(), given.declining(), given.NOW), Ignored)
    assert isinstance(decide(given.capturing(), given.declining(), given.NOW), Refused)
    assert isinstance(decide(given.confirmed(), given.approving(), given.NOW), Refused)


def test_another_captured_amount_needs_a_person() -> None:
    decided = _applied(given.capturing(), given.succeeded(Money(amount=100, currency="EUR")))

    assert decided.state.status is OrderStatus.NEEDS_REVIEW


def test_a_request_for_payment_is_told_that_the_hotel_decides() -> None:
    refused = decide(given.awaiting_approval(), given.starting(), given.NOW)

    assert isinstance(refused, Refused)
    assert "not approved" in refused.detail
