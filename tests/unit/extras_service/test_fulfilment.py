"""Fulfilment line by line: who gave which line to the guest, and what changes with the last one."""

from datetime import timedelta

import pytest

from chassis.decision import Applied, Ignored, Refused
from contracts.ids import RefundId
from contracts.order_actions import ActionKind, FulfilledLine
from contracts.orders import OrderFulfilled, OrderLinesFulfilled, OrderStatus, Reason
from extras_service.order.day_sheet import sheet_of
from extras_service.order.decide import decide
from extras_service.order.state import Order
from tests.support import orders as given

LATER = given.NOW + timedelta(hours=1)


def of_two_lines() -> Order:
    spa = given.offered("alm-spa", name="Spa")
    placed = given.placing(given.line(), given.line("alm-spa"), among=given.catalogue(given.offered(), spa))
    order = given.after(None, placed)
    return given.after(order, given.starting(), given.session_created(), given.succeeded(order.total))


def given_first() -> Order:
    return given.after(of_two_lines(), given.fulfilling_lines(0))


def test_a_line_is_fulfilled_by_a_person_and_the_order_stays_confirmed() -> None:
    decision = decide(of_two_lines(), given.fulfilling_lines(0), given.NOW)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.CONFIRMED
    by = given.staff().staff_id
    assert decision.state.fulfilled_lines == (FulfilledLine(line=0, by=by, at=given.NOW),)
    assert [type(message) for message in decision.messages] == [OrderLinesFulfilled]


def test_with_its_last_line_the_order_is_fulfilled() -> None:
    decision = decide(given_first(), given.fulfilling_lines(1, 0), LATER)

    assert isinstance(decision, Applied)
    assert decision.state.status is OrderStatus.FULFILLED
    assert [(each.line, each.at) for each in decision.state.fulfilled_lines] == [(0, given.NOW), (1, LATER)]
    assert [type(message) for message in decision.messages] == [OrderFulfilled]
    assert decision.state.actions[-1].action is ActionKind.FULFILLED


def test_the_rest_can_be_fulfilled_at_once() -> None:
    assert given.after(given_first(), given.fulfilling()).status is OrderStatus.FULFILLED


def test_a_line_that_two_people_fulfil_is_the_firsts() -> None:
    assert isinstance(decide(given_first(), given.fulfilling_lines(0), LATER), Ignored)


@pytest.mark.parametrize("lines", [(2,), (-1,), (0, 7)])
def test_a_line_that_the_order_does_not_have_is_refused(lines: tuple[int, ...]) -> None:
    decision = decide(of_two_lines(), given.fulfilling_lines(*lines), given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason is Reason.LINE_UNKNOWN


def test_a_guest_who_has_received_a_line_cannot_cancel_and_staff_can() -> None:
    by_guest = decide(given_first(), given.cancelling_by_guest(), given.NOW)
    by_staff = decide(given_first(), given.cancelling_by_staff(), given.NOW)

    assert isinstance(by_guest, Refused)
    assert by_guest.reason is Reason.ORDER_NOT_CANCELLABLE
    assert isinstance(by_staff, Applied)


def test_a_refund_of_a_line_is_at_most_what_the_line_costs_and_names_it() -> None:
    order = of_two_lines()

    refund = given.refunding(3000).model_copy(update={"line": 1})
    other = refund.model_copy(update={"refund_id": RefundId("ref_other")})
    asked = decide(order, refund, given.NOW)
    again = decide(given.after(order, refund), other, given.NOW)
    of_no_line = decide(order, refund.model_copy(update={"line": 2}), given.NOW)

    assert isinstance(asked, Applied)
    assert [(each.line, each.amount.amount) for each in asked.state.refunds] == [(1, 3000)]
    assert isinstance(again, Refused)
    assert again.reason is Reason.REFUND_EXCEEDS_PAID
    assert "18.00" in again.detail
    assert isinstance(of_no_line, Refused)
    assert of_no_line.reason is Reason.LINE_UNKNOWN


def test_the_day_sheet_ticks_the_line_off_and_no_other() -> None:
    order = given_first()

    sheet = sheet_of(order.guest.property_id, given.FIRST_DAY, [order])

    assert {extra.extra_id: extra.lines[0].is_fulfilled for extra in sheet.extras} == {
        "alm-breakfast": True,
        "alm-spa": False,
    }


def test_what_was_fulfilled_is_stored_and_read() -> None:
    order = given_first()

    stored = Order.model_validate(order.model_dump(mode="json"))

    assert stored == order
