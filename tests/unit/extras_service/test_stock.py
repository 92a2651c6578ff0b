"""Limited extras: what is held, kept, given back, and never sold twice."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chassis.decision import Applied, Decision, Ignored, Refused
from contracts.ids import OrderId
from contracts.orders import OrderStatus, Reason
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.quote import Quote, quote
from extras_service.order.state import Order, digest_of
from extras_service.stock.decide import decide, lapse_at
from extras_service.stock.inputs import Demand, HoldStock, LapseHold, RecheckHold, ReclaimHold, demands
from extras_service.stock.state import Hold, Holder, StockDay, hold_of, lapsed
from tests.support import orders as given

UNTIL = lapse_at(given.NOW + given.PAY_WITHIN)
DIGEST = digest_of((given.line(),))
OTHER = OrderId("ord_" + "b" * 26)
OLD_HOLD = Hold(order_id=given.ORDER_ID, quantity=1, until=UNTIL)


def massage(daily_limit: int | None = 2) -> Extra:
    return given.offered("alm-massage", name="Massage").model_copy(update={"daily_limit": daily_limit})


def demand(quantity: int = 1, *, limit: int = 2, per_guest: int = 10) -> Demand:
    return Demand(given.BREAKFAST, "Massage", given.FIRST_DAY, quantity, limit, per_guest)


def holder(order_id: OrderId = given.ORDER_ID, guest: str = "alpenhof/guest-anna", digest: str = DIGEST) -> Holder:
    return Holder(order_id, digest, guest)


def taking(order_id: OrderId = given.ORDER_ID, quantity: int = 1, *, limit: int = 2) -> HoldStock:
    return HoldStock(holder(order_id), demand(quantity, limit=limit), UNTIL)


def rechecked(stock: StockDay, order: Order | None, now: datetime = UNTIL) -> Decision[StockDay]:
    """What becomes of the first hold, when its order stands so."""
    return decide(stock, RecheckHold(stock.holds[0], order), now)


def held(*takes: HoldStock) -> StockDay:
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


def test_a_guest_who_asks_for_more_than_is_left_is_shown_how_much_is() -> None:
    decision = decide(held(taking()), taking(OTHER, 2), given.NOW)

    assert isinstance(decision, Refused)
    assert "only 1 left" in decision.detail


def test_the_same_order_twice_holds_once() -> None:
    stock = held(taking())

    assert isinstance(decide(stock, taking(), given.NOW), Ignored)


def test_what_is_given_back_can_be_had_again() -> None:
    stock = held(taking(quantity=2))

    returned = rechecked(stock, given.cancelled(), given.NOW)

    assert isinstance(returned, Applied)
    assert returned.state.taken == 0
    assert returned.state.due_at is None
    assert isinstance(decide(returned.state, taking(OTHER, 2), given.NOW), Applied)


def test_a_hold_that_a_review_has_claimed_again_outlives_a_release_that_saw_it_before() -> None:
    stock = held(taking(quantity=2))

    claimed = decide(stock, ReclaimHold(holder(), demand(2), UNTIL), given.NOW)

    assert isinstance(claimed, Applied)
    late = decide(claimed.state, RecheckHold(stock.holds[0], given.cancelled()), given.NOW)
    assert isinstance(late, Ignored)
    assert claimed.state.taken == 2


def test_a_review_claims_places_by_the_limit_of_the_day_whatever_its_guest_holds_and_beyond_it_by_force() -> None:
    stock = held(taking(OTHER, 2, limit=3))
    claim = ReclaimHold(holder(), demand(1, limit=3, per_guest=1), UNTIL)
    too_many = replace(claim, demand=demand(2, limit=3))

    assert isinstance(decide(stock, claim, given.NOW), Applied)
    refused = decide(stock, too_many, given.NOW)
    forced = decide(stock, replace(too_many, beyond_limit=True), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_STOCK
    assert isinstance(forced, Applied)
    assert forced.state.taken == 4


@pytest.mark.parametrize("status", [OrderStatus.CONFIRMED, OrderStatus.FULFILLED])
def test_a_lapsed_hold_of_a_paid_order_is_kept_for_good(status: OrderStatus) -> None:
    stock = held(taking())

    decision = rechecked(stock, given.in_status(status))

    assert isinstance(decision, Applied)
    assert decision.state.taken == 1
    assert decision.state.due_at is None
    assert lapsed(decision.state, UNTIL + timedelta(days=9)) == ()


@pytest.mark.parametrize(
    "status", [OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRING, OrderStatus.CANCELLING, OrderStatus.NEEDS_REVIEW]
)
def test_a_lapsed_hold_of_an_order_that_may_yet_be_paid_is_extended(status: OrderStatus) -> None:
    decision = rechecked(held(taking()), given.in_status(status))

    assert isinstance(decision, Applied)
    assert decision.state.taken == 1
    assert decision.state.due_at == UNTIL + timedelta(minutes=1)


@pytest.mark.parametrize("status", [OrderStatus.EXPIRED, OrderStatus.CANCELLED])
def test_a_lapsed_hold_of_a_closed_order_is_given_back(status: OrderStatus) -> None:
    decision = rechecked(held(taking()), given.in_status(status))

    assert isinstance(decision, Applied)
    assert decision.state.taken == 0


def test_a_lapsed_hold_of_an_order_that_was_never_created_is_given_back() -> None:
    decision = rechecked(held(taking()), None)

    assert isinstance(decision, Applied)
    assert decision.state.taken == 0


def test_a_hold_is_not_looked_at_before_it_lapses() -> None:
    assert isinstance(rechecked(held(taking()), None, given.NOW), Ignored)


def test_a_pending_orders_hold_is_extended_until_a_minute_after_its_deadline() -> None:
    order = given.payable().model_copy(update={"due_at": UNTIL + timedelta(minutes=10)})

    decision = rechecked(held(taking()), order)

    assert isinstance(decision, Applied)
    assert decision.state.due_at == UNTIL + timedelta(minutes=11)


def test_two_commands_under_one_order_id_hold_apart() -> None:
    first, second = (HoldStock(holder(digest=digest), demand(limit=3), UNTIL) for digest in (DIGEST, "two"))

    stock = held(first, second)

    assert stock.taken == 2
    released = rechecked(stock, given.cancelled(), given.NOW)
    assert isinstance(released, Applied)
    assert [hold.lines_digest for hold in released.state.holds] == ["two"]


def test_a_lapsed_hold_for_other_lines_than_the_orders_is_released_although_the_order_is_paid() -> None:
    stock = held(HoldStock(holder(digest="of another body"), demand(), UNTIL))

    decision = rechecked(stock, given.confirmed())

    assert isinstance(decision, Applied)
    assert decision.state.taken == 0


def test_a_hold_of_an_older_version_belongs_to_its_order_whatever_its_lines() -> None:
    stock = StockDay(extra_id=given.BREAKFAST, day=given.FIRST_DAY, holds=(OLD_HOLD,), due_at=UNTIL)

    assert isinstance(decide(stock, taking(), given.NOW), Ignored)
    decision = rechecked(stock, given.confirmed())

    assert isinstance(decision, Applied)
    assert (decision.state.taken, decision.state.due_at) == (1, None)


def test_a_repeat_renews_a_hold_that_would_lapse_before_the_order_does() -> None:
    later = HoldStock(holder(), demand(), UNTIL + timedelta(minutes=20))

    decision = decide(held(taking()), later, given.NOW)

    assert isinstance(decision, Applied)
    assert (decision.state.taken, decision.state.due_at) == (1, later.until)


def test_a_hold_that_was_confirmed_since_it_was_read_is_not_released_by_what_was_read() -> None:
    stock = held(taking())
    [seen] = stock.holds
    confirmed = decide(stock, replace(taking(), confirms=True), UNTIL)
    assert isinstance(confirmed, Applied)

    assert isinstance(decide(confirmed.state, RecheckHold(seen, None), UNTIL), Ignored)


def test_a_hold_that_is_relied_on_no_more_lapses_at_once_and_goes_only_after_its_order_was_read() -> None:
    lapsing = decide(held(taking()), LapseHold(holder()), given.NOW)

    assert isinstance(lapsing, Applied)
    assert lapsing.state.taken == 1
    assert lapsed(lapsing.state, given.NOW) == lapsing.state.holds
    kept = rechecked(lapsing.state, given.payable(), given.NOW)
    assert isinstance(kept, Applied)
    assert kept.state.taken == 1


def test_one_guest_cannot_hold_all_of_it_whatever_the_number_of_orders() -> None:
    wanted = [HoldStock(holder(OrderId(f"ord_{n}")), demand(2, limit=6, per_guest=4), UNTIL) for n in range(3)]
    stock = held(*wanted[:2])

    refused = decide(stock, wanted[2], given.NOW)
    other = decide(stock, replace(wanted[2], holder=holder(OTHER, "alpenhof/guest-bert")), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.GUEST_LIMIT_REACHED
    assert "at most 4" in refused.detail
    assert isinstance(other, Applied)


def test_one_guest_may_always_hold_what_one_order_may_ask_for() -> None:
    among = given.catalogue(massage().model_copy(update={"max_quantity": 5}))
    priced = quote(given.guest(), (given.line("alm-massage", 5),), among)
    assert isinstance(priced, Quote)

    [asked] = demands(priced.lines, among, 4)

    assert asked.per_guest == 5


def test_only_limited_extras_are_demanded_and_lines_of_one_day_add_up() -> None:
    among = given.catalogue(massage(), given.offered())
    lines = (given.line("alm-massage", 1), given.line("alm-massage", 1), given.line(quantity=2))
    priced = quote(given.guest(), lines, among)
    assert isinstance(priced, Quote)

    asked = demands(priced.lines, among, 4)

    assert [(one.extra_id, one.day, one.quantity, one.limit) for one in asked] == [
        ("alm-massage", given.FIRST_DAY, 2, 2)
    ]


@for_all(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.booleans()), max_size=40), st.integers(1, 10))
def test_whatever_is_taken_and_given_back_the_limit_holds(steps: list[tuple[int, int, bool]], limit: int) -> None:
    stock: StockDay | None = None

    for number, quantity, takes in steps:
        order_id = OrderId(f"ord_{number}")
        known = hold_of(stock, holder(order_id))
        releases = RecheckHold(known, given.cancelled()) if known and not takes else None
        decision = decide(stock, releases or taking(order_id, quantity, limit=limit), given.NOW)
        stock = decision.state if isinstance(decision, Applied) else stock
        assert stock is None or stock.taken <= limit
