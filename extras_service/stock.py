"""How much of an extra is left on a day: held by pending orders, kept by paid ones, given back by the rest.

Holding and ordering are two documents, so two writes. The hold comes first and lapses by itself; before it does, the
order it was made for is looked at. So the last one is never sold twice, and a crash in between blocks it for no longer
than an unpaid order lives.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from chassis.decision import Applied, Decision, Ignored, Refused, State
from contracts.ids import ExtraId, OrderId
from contracts.orders import OrderLine, OrderStatus, Reason
from extras_service.catalogue import Catalogue
from extras_service.order import Order


class Hold(BaseModel):
    """What one order holds. `until` none: the order is paid and keeps it."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    quantity: int
    until: datetime | None


class StockDay(State):
    """One limited extra on one day."""

    extra_id: ExtraId
    day: date
    holds: tuple[Hold, ...] = ()

    @property
    def standing(self) -> str:
        return f"{self.taken} taken"

    @property
    def taken(self) -> int:
        return sum(hold.quantity for hold in self.holds)


@dataclass(frozen=True, slots=True)
class Demand:
    """How much of a limited extra an order needs on a day."""

    extra_id: ExtraId
    name: str
    day: date
    quantity: int
    daily_limit: int

    @property
    def stock_id(self) -> str:
        return stock_id(self.extra_id, self.day)


@dataclass(frozen=True, slots=True)
class Take:
    """Hold it for an order, until then at first."""

    order_id: OrderId
    demand: Demand
    until: datetime


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The order is not going to have it."""

    order_id: OrderId


@dataclass(frozen=True, slots=True)
class Review:
    """A hold has lapsed: what has become of its order?"""

    order_id: OrderId
    order: Order | None


StockInput = Take | GiveBack | Review


def stock_id(extra_id: ExtraId, day: date) -> str:
    return f"stk_{extra_id}_{day.isoformat()}"


def demands(lines: tuple[OrderLine, ...], catalogue: Catalogue) -> tuple[Demand, ...]:
    """What an order needs of limited extras, one entry per extra and day."""
    needed: dict[tuple[ExtraId, date], int] = {}
    for line in lines:
        if catalogue[line.extra_id].daily_limit is not None and line.day is not None:
            key = (line.extra_id, line.day)
            needed[key] = needed.get(key, 0) + line.quantity
    return tuple(
        Demand(extra_id, catalogue[extra_id].readable, day, quantity, catalogue[extra_id].daily_limit or 0)
        for (extra_id, day), quantity in needed.items()
    )


def decide(stock: StockDay | None, message: StockInput, now: datetime) -> Decision[StockDay]:
    """What `message` does to what is left of an extra on a day."""
    match message:
        case Take():
            return _take(stock, message)
        case GiveBack(order_id=order_id):
            return _without(stock, order_id)
        case Review():
            return _review(stock, message, now)


def _take(stock: StockDay | None, take: Take) -> Decision[StockDay]:
    demand = take.demand
    stock = stock or StockDay(extra_id=demand.extra_id, day=demand.day)
    if _hold_of(stock, take.order_id) is not None:
        return Ignored("the order holds it already")
    left = demand.daily_limit - stock.taken
    if demand.quantity > left:
        some = f"only {left} left" if left > 0 else "sold out"
        return Refused(Reason.OUT_OF_STOCK, f"{demand.name} on {demand.day}: {some}. Choose another day or fewer.")
    hold = Hold(order_id=take.order_id, quantity=demand.quantity, until=take.until)
    return Applied(_with(stock, (*stock.holds, hold)))


def _without(stock: StockDay | None, order_id: OrderId) -> Decision[StockDay]:
    if stock is None or _hold_of(stock, order_id) is None:
        return Ignored("the order holds nothing of it")
    return Applied(_with(stock, tuple(hold for hold in stock.holds if hold.order_id != order_id)))


def _review(stock: StockDay | None, review: Review, now: datetime) -> Decision[StockDay]:
    hold = _hold_of(stock, review.order_id) if stock else None
    if stock is None or hold is None or hold.until is None or now < hold.until:
        return Ignored("the hold has not lapsed")
    order = review.order
    if order is None or order.status in (OrderStatus.EXPIRED, OrderStatus.CANCELLED):
        return _without(stock, review.order_id)
    is_kept = order.status in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
    until = None if is_kept else now + order.pay_within
    held = tuple(
        other.model_copy(update={"until": until}) if other.order_id == review.order_id else other
        for other in stock.holds
    )
    return Applied(_with(stock, held))


def lapsed(stock: StockDay, now: datetime) -> tuple[OrderId, ...]:
    """Orders whose hold has lapsed and must be looked at."""
    return tuple(hold.order_id for hold in stock.holds if hold.until is not None and hold.until <= now)


def lapse_at(now: datetime, pay_within: timedelta) -> datetime:
    """A little after the order's own deadline, so that it has usually been dealt with."""
    return now + pay_within + timedelta(minutes=1)


def _hold_of(stock: StockDay, order_id: OrderId) -> Hold | None:
    return next((hold for hold in stock.holds if hold.order_id == order_id), None)


def _with(stock: StockDay, holds: tuple[Hold, ...]) -> StockDay:
    lapses = [hold.until for hold in holds if hold.until is not None]
    return stock.model_copy(update={"holds": holds, "due_at": min(lapses, default=None)})
