"""Walk through the interleavings of stock and orders, and find nothing broken; plant a bug, and find it."""

import os
from collections.abc import Iterator
from datetime import datetime

import pytest

from chassis.decision import Decision
from chassis.messaging.envelope import Delivery
from chassis.storage.write_path import Handled
from contracts.orders import PlaceOrder
from extras_service import wiring
from extras_service.order import placement
from extras_service.order.inputs import HoldsConfirmed
from extras_service.order.placement import Placement
from extras_service.order.state import Order
from extras_service.stock.decide import decide
from extras_service.stock.holds import StockKeeper
from extras_service.stock.inputs import Demand, RecheckHold, StockInput
from extras_service.stock.state import StockDay, stock_id
from tests.model.stock import Walk, ordering

WALKS = 20_000 if os.environ.get("BELLHOP_MODEL_DEPTH") == "deep" else 2_000

TWO_BODIES = (ordering("k", "anna", 1), ordering("k", "anna", 2))
TWO_DAYS = (ordering("k", "anna", 2, day=0), ordering("k", "anna", 2, day=1))
TWO_SLOTS = (ordering("k", "anna", 2, slot="15:00"), ordering("k", "anna", 2, slot="17:00"))
LAST_IN_SLOT = (
    ordering("k", "anna", 2, slot="15:00"),
    ordering("k", "bert", 1, slot="15:00"),
    ordering("l", "bert", 2, slot="17:00"),
)
LAST_PLACE = (ordering("k", "anna", 2), ordering("k", "bert", 1), ordering("l", "bert", 2))
ALL = {
    "two quantities under one key": TWO_BODIES,
    "two days under one key": TWO_DAYS,
    "two slots under one key": TWO_SLOTS,
    "two guests": LAST_PLACE,
    "two guests and two slots": LAST_IN_SLOT,
}


REVIEWED = (ordering("k", "anna", 2), ordering("k", "bert", 2))
STAFF = 6


def broken(commands: tuple[PlaceOrder, ...], staff: int = 0) -> Iterator[str]:
    """What breaks in these walks, with the way there."""
    for seed in range(WALKS):
        walk = Walk(commands, seed, staff).run()
        if walk.broken:
            yield "\n  ".join((f"seed {seed}: {walk.broken}", *walk.trace))


@pytest.mark.parametrize("commands", ALL.values(), ids=ALL)
def test_nothing_is_sold_twice_or_blocked_for_longer_than_an_unpaid_order_lives(
    commands: tuple[PlaceOrder, ...],
) -> None:
    assert next(broken(commands), None) is None


def test_no_place_is_sold_twice_when_staff_accept_reviews_of_orders_that_were_cancelled() -> None:
    assert next(broken(REVIEWED, STAFF), None) is None


def test_slots_that_share_their_places_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_the_day(demand: Demand) -> str:
        return stock_id(demand.extra_id, demand.day)

    monkeypatch.setattr(Demand, "stock_id", property(of_the_day))

    assert next(broken(LAST_IN_SLOT), None)


def test_a_review_accepted_without_its_places_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trusts(*_: object, **__: object) -> None:
        pass

    monkeypatch.setattr(StockKeeper, "reclaim", trusts)

    assert next(broken(REVIEWED, STAFF), None)


def test_holds_that_two_bodies_under_one_key_share_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "digest_of", lambda _lines: "")

    assert next(broken(TWO_BODIES), None)


def test_an_order_that_may_be_paid_without_holding_its_places_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trusts(it: Placement, order: Order, delivery: Delivery) -> Handled[Order]:
        return await it._orders.handle(order.order_id, HoldsConfirmed(), delivery.step("holds"))

    monkeypatch.setattr(Placement, "confirm", trusts)

    assert next(broken(LAST_PLACE), None)


def test_a_sweep_that_judges_a_hold_by_an_order_read_before_it_was_confirmed_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judges(stock: StockDay | None, message: StockInput, now: datetime) -> Decision[StockDay]:
        if isinstance(message, RecheckHold) and stock is not None:
            as_it_is = [hold for hold in stock.holds if hold.order_id == message.seen.order_id]
            as_seen = tuple(message.seen if hold in as_it_is else hold for hold in stock.holds)
            stock = stock.model_copy(update={"holds": as_seen})
        return decide(stock, message, now)

    monkeypatch.setattr(wiring, "decide_stock", judges)

    assert next(broken(LAST_PLACE), None)
