"""Staff approve an order without some of its lines: what is left is captured, owed and shown."""

from datetime import date
from itertools import combinations

import pytest
from hypothesis import given as such_as
from hypothesis import strategies as st

from chassis.decision import Applied, Ignored, Refused
from contracts.approvals import OrderApproved
from contracts.ids import ExtraId
from contracts.money import Money
from contracts.orders import (
    OrderConfirmed,
    OrderLine,
    OrderLinesFulfilled,
    OrderStatus,
    Reason,
    RefundOrder,
    TakenOut,
)
from contracts.payments import CapturePayment, RefundPayment
from extras_service.order.day_sheet import sheet_of
from extras_service.order.decide import decide
from extras_service.order.inputs import OrderInput
from extras_service.order.state import Order
from extras_service.order.vat_shares import Flow
from extras_service.receipt.state import kept_lines
from extras_service.stock.decide import decide as decide_stock
from extras_service.stock.inputs import RecheckHold
from extras_service.stock.state import Hold, StockDay
from ops.core.lost_payments import session_asked
from tests.support import orders as given
from tests.unit.extras_service.test_vat_shares import order_lines

WHOLE = given.TOTAL + given.LATE
TAKEN_OUT = TakenOut(lines=(1,), amount=given.LATE, reason=given.NOT_THAT_DAY)


def _applied(order: Order | None, message: OrderInput) -> Applied[Order]:
    decision = decide(order, message, given.NOW)
    assert isinstance(decision, Applied), decision
    return decision


def _refusal(order: Order, message: OrderInput) -> Reason:
    decision = decide(order, message, given.NOW)
    assert isinstance(decision, Refused), decision
    return Reason(decision.reason)


def _capturing() -> Order:
    return given.after(given.awaiting_approval_of_two_lines(), given.approving_without(1))


def _confirmed() -> Order:
    return given.after(_capturing(), given.succeeded(given.TOTAL))


def test_the_total_of_the_other_lines_is_captured_and_the_line_stays_on_the_order_as_taken_out() -> None:
    decided = _applied(given.awaiting_approval_of_two_lines(), given.approving_without(1))

    order, (event, capture) = decided.state, decided.messages
    assert order.status is OrderStatus.CAPTURING
    assert (order.total, order.ordered_total, order.taken_out) == (given.TOTAL, WHOLE, TAKEN_OUT)
    assert len(order.lines) == 2
    assert isinstance(event, OrderApproved)
    assert (event.total, event.taken_out) == (given.TOTAL, TAKEN_OUT)
    assert isinstance(capture, CapturePayment)
    assert capture.amount == given.TOTAL
    assert order.actions[-1].reason == given.NOT_THAT_DAY


def test_the_guest_reads_what_was_taken_out_and_why() -> None:
    paid = _applied(_capturing(), given.succeeded(given.TOTAL))

    view = paid.state.view()
    assert (view.status, view.total, view.taken_out) == (OrderStatus.CONFIRMED, given.TOTAL, TAKEN_OUT)
    event = paid.messages[0]
    assert isinstance(event, OrderConfirmed)
    assert (event.total, event.taken_out) == (given.TOTAL, TAKEN_OUT)


def test_a_repeated_placement_is_answered_with_the_order_as_it_was_placed() -> None:
    first = _confirmed().first_view()

    assert (first.total, first.taken_out) == (WHOLE, None)


@pytest.mark.parametrize("status", [OrderStatus.CAPTURING, OrderStatus.CONFIRMED])
def test_the_same_approval_is_safe_to_repeat_and_another_one_is_refused(status: OrderStatus) -> None:
    order = _capturing() if status is OrderStatus.CAPTURING else _confirmed()

    assert isinstance(decide(order, given.approving_without(1, 1), given.NOW), Ignored)
    for other in (given.approving(), given.approving_without(0), given.approving_without(1, reason="We are full.")):
        assert _refusal(order, other) is Reason.APPROVED_OTHERWISE
    whole = given.after(given.awaiting_approval_of_two_lines(), given.approving())
    assert _refusal(whole, given.approving_without(1)) is Reason.APPROVED_OTHERWISE


def test_what_cannot_be_taken_out_is_refused() -> None:
    order = given.awaiting_approval_of_two_lines()
    cheap = order.lines[0].model_copy(update={"line_total": Money(amount=10, currency="EUR")})

    assert _refusal(order, given.approving_without(2)) is Reason.LINE_UNKNOWN
    assert _refusal(order, given.approving_without(-1)) is Reason.LINE_UNKNOWN
    assert _refusal(order, given.approving_without(0, 1)) is Reason.NO_LINE_LEFT
    less = order.model_copy(update={"lines": (cheap, order.lines[1])})
    assert _refusal(less, given.approving_without(1)) is Reason.TOTAL_NOT_PAYABLE


def test_no_line_is_taken_out_of_an_order_that_was_charged_in_full_already() -> None:
    charged = given.after(given.awaiting_approval_of_two_lines(), given.succeeded(WHOLE))

    assert _refusal(charged, given.approving_without(1)) is Reason.ORDER_NOT_APPROVABLE
    assert given.after(charged, given.approving()).status is OrderStatus.CONFIRMED


def test_an_approval_that_a_restored_store_has_lost_counts_for_what_was_charged() -> None:
    charged = given.after(given.awaiting_approval_of_two_lines(), given.succeeded(given.TOTAL))

    assert charged.status is OrderStatus.NEEDS_REVIEW
    assert "48.00 of" in str(charged.review)
    assert _refusal(charged, given.approving()) is Reason.ORDER_NOT_APPROVABLE
    again = given.after(charged, given.approving_without(1))
    assert (again.status, again.total, again.taken_out) == (OrderStatus.CONFIRMED, given.TOTAL, TAKEN_OUT)


def test_a_capture_of_the_whole_although_a_line_was_taken_out_needs_a_person_who_sees_the_money() -> None:
    decided = _applied(_capturing(), given.succeeded(WHOLE))

    order = decided.state
    assert (order.status, order.received) == (OrderStatus.NEEDS_REVIEW, WHOLE)
    assert "98.00" in str(order.review)
    assert "48.00" in str(order.review)


def test_a_capture_that_the_payment_service_has_lost_is_asked_for_again_without_the_line() -> None:
    (again,) = _applied(_capturing(), given.authorised()).messages

    assert isinstance(again, CapturePayment)
    assert again.amount == given.TOTAL
    assert session_asked(_capturing()).amount == WHOLE


def test_a_capture_that_fails_declines_the_order() -> None:
    assert given.after(_capturing(), given.session_closed()).status is OrderStatus.DECLINED


def test_a_guest_who_cancels_during_the_capture_gets_back_what_was_captured() -> None:
    cancelled = _applied(given.after(_capturing(), given.cancelling_by_guest()), given.succeeded(given.TOTAL))

    refunds = [message for message in cancelled.messages if isinstance(message, RefundPayment)]
    assert [refund.amount for refund in refunds] == [given.TOTAL]


def test_a_line_that_was_taken_out_is_neither_given_nor_refunded() -> None:
    order = _confirmed()
    refund = given.refunding(100).model_dump() | {"line": 1}

    assert _refusal(order, given.fulfilling_lines(1)) is Reason.LINE_TAKEN_OUT
    assert _refusal(order, RefundOrder.model_validate(refund)) is Reason.LINE_TAKEN_OUT
    sheet = sheet_of(order.guest.property_id, given.FIRST_DAY, [order])
    assert [line.line for extra in sheet.extras for line in extra.lines] == [0]
    given_to_guest = _applied(order, given.fulfilling_lines(0))
    assert given_to_guest.state.status is OrderStatus.FULFILLED
    assert not any(isinstance(message, OrderLinesFulfilled) for message in given_to_guest.messages)


def _held(quantity: int, lines_digest: str) -> StockDay:
    order = given.awaiting_approval()
    hold = Hold(order_id=order.order_id, quantity=quantity, until=None, lines_digest=lines_digest, confirmed=True)
    return StockDay(extra_id=given.LATE_CHECKOUT, day=given.FIRST_DAY, holds=(hold,))


def _rechecked(stock: StockDay, order: Order) -> tuple[int, ...]:
    decision = decide_stock(stock, RecheckHold(stock.holds[0], order), given.NOW)
    after = decision.state if isinstance(decision, Applied) else stock
    return tuple(hold.quantity for hold in after.holds)


def test_the_places_of_a_line_are_free_as_soon_as_it_is_taken_out() -> None:
    order = _capturing()
    stock = _held(1, order.lines_digest)

    assert _rechecked(stock, order) == ()
    assert _rechecked(stock, given.awaiting_approval_of_two_lines()) == (1,)
    assert _rechecked(_held(1, "another command's"), order) == (1,)


def test_places_that_another_line_of_the_order_needs_stay_held() -> None:
    waiting = given.awaiting_approval_of_two_lines()
    third = waiting.lines[1].model_copy(update={"quantity": 2})
    order = given.after(
        waiting.model_copy(update={"lines": (*waiting.lines, third), "total": waiting.total + given.LATE}),
        given.approving_without(2),
    )

    assert _rechecked(_held(3, order.lines_digest), order) == (1,)


@such_as(order_lines(), st.data())
def test_what_is_captured_and_what_is_taken_out_add_up_with_the_vat_of_every_line(
    lines: tuple[OrderLine, ...], data: st.DataObject
) -> None:
    numbered = tuple(
        line.model_copy(update={"extra_id": ExtraId(f"extra-{number}"), "day": date(2026, 7, 3)})
        for number, line in enumerate(lines)
    )
    total = sum((line.line_total for line in numbered), start=Money.zero(numbered[0].line_total.currency))
    waiting = given.awaiting_approval().model_copy(update={"lines": numbered, "total": total})
    choices = [chosen for size in range(1, len(numbered)) for chosen in combinations(range(len(numbered)), size)]
    gone = data.draw(st.sampled_from(choices)) if choices else (0,)

    decision = decide(waiting, given.approving_without(*gone), given.NOW)

    if isinstance(decision, Refused):
        assert decision.reason in (Reason.NO_LINE_LEFT, Reason.TOTAL_NOT_PAYABLE)
        return
    assert isinstance(decision, Applied)
    order = decision.state
    assert order.taken_out is not None
    assert order.total + order.taken_out.amount == order.ordered_total == total
    shares = kept_lines(order, ()).split(order.total, Flow.IN)
    assert [(share.line, share.gross, share.vat) for share in shares] == [
        (number, line.line_total, line.vat) for number, line in order.owed.items() if line.line_total.amount
    ]
