"""Limited extras: what is held, kept, given back, and never sold twice."""

from datetime import timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import ValidationError

from chassis.decision import Applied, Ignored, Refused
from contracts.ids import OrderId
from contracts.orders import OrderStatus, Reason
from extras_service.catalogue import Extra, Quote, quote
from extras_service.stock import Demand, GiveBack, Review, StockDay, Take, decide, demands, lapse_at, lapsed
from tests.unit.extras_service import given

UNTIL = lapse_at(given.NOW, given.PAY_WITHIN)
OTHER = OrderId("ord_" + "b" * 26)


def massage(daily_limit: int | None = 2) -> Extra:
    return given.offered("alm-massage", name="Massage").model_copy(update={"daily_limit": daily_limit})


def demand(quantity: int = 1, *, limit: int = 2) -> Demand:
    return Demand(given.BREAKFAST, "Massage", given.FIRST_DAY, quantity, limit)


def taking(order_id: OrderId = given.ORDER_ID, quantity: int = 1, *, limit: int = 2) -> Take:
    return Take(order_id, demand(quantity, limit=limit), UNTIL)


def held(*takes: Take) -> StockDay:
    stock: StockDay | None = None
    for take in takes:
        decision = decide(stock, take, given.NOW)
        assert isinstance(decision, Applied)
        stock = decision.state
    assert stock is not None
    return stock


def test_an_order_holds_what_it_needs_until_a_little_after_its_own_deadline() -> None:
    stock = held(taking(quantity=2))

    assert stock.taken == 2
    assert stock.due_at == UNTIL > given.NOW + given.PAY_WITHIN


def test_the_last_one_is_not_sold_twice() -> None:
    stock = held(taking(quantity=2))

    decision = decide(stock, taking(OTHER), given.NOW)

    assert isinstance(decision, Refused)
    assert decision.reason == Reason.OUT_OF_STOCK
    assert "sold out" in decision.detail


def test_a_guest_who_asks_for_more_than_is_left_is_told_how_much_is() -> None:
    decision = decide(held(taking()), taking(OTHER, 2), given.NOW)

    assert isinstance(decision, Refused)
    assert "only 1 left" in decision.detail


def test_the_same_order_twice_holds_once() -> None:
    stock = held(taking())

    assert isinstance(decide(stock, taking(), given.NOW), Ignored)


def test_what_is_given_back_can_be_had_again() -> None:
    stock = held(taking(quantity=2))

    returned = decide(stock, GiveBack(given.ORDER_ID), given.NOW)

    assert isinstance(returned, Applied)
    assert returned.state.taken == 0
    assert returned.state.due_at is None
    assert isinstance(decide(returned.state, taking(OTHER, 2), given.NOW), Applied)


def test_giving_back_what_is_not_held_is_ignored() -> None:
    assert isinstance(decide(None, GiveBack(given.ORDER_ID), given.NOW), Ignored)


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.FULFILLED])
def test_a_lapsed_hold_of_a_paid_order_is_kept_for_good(status: OrderStatus) -> None:
    stock = held(taking())

    decision = decide(stock, Review(given.ORDER_ID, given.in_status(status)), UNTIL)

    assert isinstance(decision, Applied)
    assert decision.state.taken == 1
    assert decision.state.due_at is None
    assert lapsed(decision.state, UNTIL + timedelta(days=9)) == ()


@pytest.mark.parametrize(
    "status", [OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRING, OrderStatus.CANCELLING, OrderStatus.NEEDS_REVIEW]
)
def test_a_lapsed_hold_of_an_order_that_may_yet_be_paid_is_extended(status: OrderStatus) -> None:
    decision = decide(held(taking()), Review(given.ORDER_ID, given.in_status(status)), UNTIL)

    assert isinstance(decision, Applied)
    assert decision.state.taken == 1
    assert decision.state.due_at == UNTIL + given.PAY_WITHIN


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED])
def test_a_lapsed_hold_of_a_closed_order_is_given_back(status: OrderStatus) -> None:
    decision = decide(held(taking()), Review(given.ORDER_ID, given.in_status(status)), UNTIL)

    assert isinstance(decision, Applied)
    assert decision.state.taken == 0


def test_a_lapsed_hold_of_an_order_that_was_never_created_is_given_back() -> None:
    decision = decide(held(taking()), Review(given.ORDER_ID, None), UNTIL)

    assert isinstance(decision, Applied)
    assert decision.state.taken == 0


def test_a_hold_is_not_looked_at_before_it_lapses() -> None:
    assert isinstance(decide(held(taking()), Review(given.ORDER_ID, None), given.NOW), Ignored)


def test_only_limited_extras_are_demanded_and_lines_of_one_day_add_up() -> None:
    among = given.catalogue(massage(), given.offered())
    lines = (given.line("alm-massage", 1), given.line("alm-massage", 1), given.line(quantity=2))
    priced = quote(given.guest(), lines, among)
    assert isinstance(priced, Quote)

    asked = demands(priced.lines, among)

    assert [(one.extra_id, one.day, one.quantity, one.daily_limit) for one in asked] == [
        ("alm-massage", given.FIRST_DAY, 2, 2)
    ]


def test_a_limit_by_the_day_needs_a_day() -> None:
    with pytest.raises(ValidationError, match="needs_day"):
        Extra.model_validate({**massage().model_dump(), "needs_day": False})


@for_all(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.booleans()), max_size=40), st.integers(1, 10))
def test_whatever_is_taken_and_given_back_the_limit_holds(steps: list[tuple[int, int, bool]], limit: int) -> None:
    stock: StockDay | None = None

    for number, quantity, takes in steps:
        order_id = OrderId(f"ord_{number}")
        message = Take(order_id, demand(quantity, limit=limit), UNTIL) if takes else GiveBack(order_id)
        decision = decide(stock, message, given.NOW)
        stock = decision.state if isinstance(decision, Applied) else stock
        assert stock is None or stock.taken <= limit
