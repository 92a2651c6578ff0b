"""How much of an extra is left on a day: held by pending orders, kept by paid ones, released by the rest.

Holding and ordering are two documents, so two writes; `placement.py` says in which order. A hold belongs to the lines
of one command (their digest), so two commands under one Idempotency-Key never share a hold, and it is compared with the
order that exists whenever it is looked at. It lapses by itself, and before it is let go its order is read: a crash
between the two writes blocks a place for no longer than an unpaid order lives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import assert_never

from pydantic import BaseModel, ConfigDict

from chassis.decision import Applied, Decision, Ignored, Refused, State
from contracts.ids import ExtraId, OrderId
from contracts.orders import OrderLine, OrderStatus, Reason
from extras_service.catalogue import Extra
from extras_service.order.state import Order

LAPSE_MARGIN = timedelta(minutes=1)
"""How long a hold outlives its order's deadline, so that the order has usually been closed when the hold is read."""


class Hold(BaseModel):
    """Places held for one order. `until` none: the order is paid and keeps them."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    quantity: int
    until: datetime | None
    lines_digest: str = ""
    """Of the lines they were held for. Empty: held by an older version; then the order's id decides alone."""
    guest_key: str = ""
    confirmed: bool = False
    """Held again after the order was placed, so the order relies on it."""
    reclaims: int = 0
    """How often a review of the order has claimed it again. A release that saw it before leaves it alone."""


class StockDay(State):
    """One limited extra on one day."""

    extra_id: ExtraId
    day: date
    holds: tuple[Hold, ...] = ()

    @property
    def summary(self) -> str:
        return f"{self.taken} taken"

    @property
    def taken(self) -> int:
        return sum(hold.quantity for hold in self.holds)


@dataclass(frozen=True, slots=True)
class Holder:
    """For whom places are held: an order, the lines of one command, and their guest."""

    order_id: OrderId
    lines_digest: str
    guest_key: str

    @classmethod
    def of(cls, order: Order) -> "Holder":
        return cls(order.order_id, order.lines_digest, order.guest_key)


@dataclass(frozen=True, slots=True)
class Demand:
    """How much of a limited extra an order needs on a day, and how much there may be of it."""

    extra_id: ExtraId
    name: str
    day: date
    quantity: int
    daily_limit: int
    per_guest: int
    """The most that one guest may hold of it on this day, over all their orders."""

    @property
    def stock_id(self) -> str:
        return stock_id(self.extra_id, self.day)


@dataclass(frozen=True, slots=True)
class HoldStock:
    """Hold it, until then at first. `confirms`: the order exists, and relies on the hold from now on."""

    holder: Holder
    demand: Demand
    until: datetime
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class ReclaimHold:
    """Staff accept the order, which may have been closed before: hold it, or claim the hold it still has."""

    holder: Holder
    demand: Demand
    until: datetime
    beyond_limit: bool = False
    """Whether to hold it although none is left."""


@dataclass(frozen=True, slots=True)
class LapseHold:
    """A command no longer relies on its hold: it lapses now, and its order is read."""

    holder: Holder


@dataclass(frozen=True, slots=True)
class RecheckHold:
    """A hold has lapsed, or its order has closed. `order` was read after `seen`, so a hold that has changed since is
    not judged by it."""

    seen: Hold
    order: Order | None


StockInput = HoldStock | ReclaimHold | LapseHold | RecheckHold


def stock_id(extra_id: ExtraId, day: date) -> str:
    return f"stk_{extra_id}_{day.isoformat()}"


def demands(lines: tuple[OrderLine, ...], catalogue: Mapping[str, Extra], max_held: int) -> tuple[Demand, ...]:
    """What an order needs of limited extras, one entry per extra and day.

    One guest may hold `max_held` of each, and always as many as one order may ask for.
    """
    needed: dict[tuple[ExtraId, date], int] = {}
    for line in lines:
        extra = catalogue.get(line.extra_id)
        if extra is not None and extra.daily_limit is not None and line.day is not None:
            key = (line.extra_id, line.day)
            needed[key] = needed.get(key, 0) + line.quantity
    return tuple(
        Demand(
            extra_id,
            catalogue[extra_id].readable,
            day,
            quantity,
            catalogue[extra_id].daily_limit or 0,
            max(max_held, catalogue[extra_id].max_quantity),
        )
        for (extra_id, day), quantity in needed.items()
    )


def decide(stock: StockDay | None, message: StockInput, now: datetime) -> Decision[StockDay]:
    """What `message` does to what is left of an extra on a day."""
    match message:
        case HoldStock():
            return _hold(stock, message)
        case ReclaimHold():
            return _reclaim(stock, message)
        case LapseHold(holder=holder):
            return _lapse(stock, holder, now)
        case RecheckHold():
            return _recheck(stock, message, now)
        case _:
            assert_never(message)


def _hold(stock: StockDay | None, message: HoldStock) -> Decision[StockDay]:
    holder, demand = message.holder, message.demand
    stock = stock or StockDay(extra_id=demand.extra_id, day=demand.day)
    known = hold_of(stock, holder)
    if known is None:
        hold = _new(holder, demand, message.until).model_copy(update={"confirmed": message.confirms})
        return _refusal(stock, holder, demand) or Applied(_with(stock, (*stock.holds, hold)))
    if known.until is None:
        return Ignored("the order keeps it already")
    if known.until >= message.until - LAPSE_MARGIN and known.confirmed >= message.confirms:
        return Ignored("the order holds it already")
    renewed = known.model_copy(
        update={"until": max(known.until, message.until), "confirmed": known.confirmed or message.confirms}
    )
    return Applied(_replaced(stock, known, renewed))


def _reclaim(stock: StockDay | None, message: ReclaimHold) -> Decision[StockDay]:
    holder, demand = message.holder, message.demand
    stock = stock or StockDay(extra_id=demand.extra_id, day=demand.day)
    known = hold_of(stock, holder)
    if known is None:
        claimed = _new(holder, demand, message.until).model_copy(update={"confirmed": True, "reclaims": 1})
        none_left = None if message.beyond_limit else _sold_out(stock, demand)
        return none_left or Applied(_with(stock, (*stock.holds, claimed)))
    # Always with an end: if the order is closed by then, nothing else lets it go.
    until = max(known.until or message.until, message.until)
    again = known.model_copy(update={"until": until, "confirmed": True, "reclaims": known.reclaims + 1})
    return Applied(_replaced(stock, known, again))


def _new(holder: Holder, demand: Demand, until: datetime) -> Hold:
    return Hold(
        order_id=holder.order_id,
        quantity=demand.quantity,
        until=until,
        lines_digest=holder.lines_digest,
        guest_key=holder.guest_key,
    )


def _refusal(stock: StockDay, holder: Holder, demand: Demand) -> Refused | None:
    held = sum(hold.quantity for hold in stock.holds if hold.guest_key == holder.guest_key)
    if held + demand.quantity > demand.per_guest:
        return Refused(
            Reason.GUEST_LIMIT_REACHED,
            f"One guest can have at most {demand.per_guest} of {demand.name} on {demand.day}; "
            f"your orders have {held} already. Choose another day or fewer.",
        )
    none_left = _sold_out(stock, demand)
    return replace(none_left, detail=f"{none_left.detail} Choose another day or fewer.") if none_left else None


def _sold_out(stock: StockDay, demand: Demand) -> Refused | None:
    left = demand.daily_limit - stock.taken
    if demand.quantity > left:
        some = f"only {left} left" if left > 0 else "sold out"
        return Refused(Reason.OUT_OF_STOCK, f"{demand.name} on {demand.day}: {some}.")
    return None


def _lapse(stock: StockDay | None, holder: Holder, now: datetime) -> Decision[StockDay]:
    hold = hold_of(stock, holder)
    if stock is None or hold is None or hold.until is None or hold.until <= now:
        return Ignored("nothing of it is held that could lapse")
    return Applied(_replaced(stock, hold, hold.model_copy(update={"until": now})))


def _without(stock: StockDay, hold: Hold) -> Decision[StockDay]:
    return Applied(_with(stock, tuple(other for other in stock.holds if other != hold)))


def _recheck(stock: StockDay | None, message: RecheckHold, now: datetime) -> Decision[StockDay]:
    hold, order = message.seen, message.order
    if stock is None or hold not in stock.holds:
        return Ignored("the hold is gone, or was renewed")
    is_orders = order is not None and hold.lines_digest in (order.lines_digest, "")
    if order is not None and is_orders and order.status in (OrderStatus.EXPIRED, OrderStatus.CANCELLED):
        return _without(stock, hold)
    # A closed order that came under review before its release came: from now on it is looked at until it is decided.
    is_reviewed = order is not None and order.status is OrderStatus.NEEDS_REVIEW
    if now < hold.until if hold.until is not None else not is_reviewed:
        return Ignored("the hold has not lapsed")
    if order is None or not is_orders:
        return _without(stock, hold)
    is_kept = order.status in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
    until = None if is_kept else lapse_at(max(now, order.due_at or now), min(LAPSE_MARGIN, order.pay_within))
    return Applied(_replaced(stock, hold, hold.model_copy(update={"until": until})))


def lapsed(stock: StockDay, now: datetime) -> tuple[Hold, ...]:
    """Holds that have lapsed; the order of each must be read."""
    return tuple(hold for hold in stock.holds if hold.until is not None and hold.until <= now)


def lapse_at(deadline: datetime, margin: timedelta = LAPSE_MARGIN) -> datetime:
    """When a hold lapses whose order may be paid until `deadline`."""
    return deadline + margin


def hold_of(stock: StockDay | None, holder: Holder) -> Hold | None:
    """What is held for these lines of this order."""
    own = (holder.lines_digest, "")
    holds = stock.holds if stock else ()
    return next((hold for hold in holds if hold.order_id == holder.order_id and hold.lines_digest in own), None)


def _replaced(stock: StockDay, hold: Hold, by: Hold) -> StockDay:
    return _with(stock, tuple(by if other == hold else other for other in stock.holds))


def _with(stock: StockDay, holds: tuple[Hold, ...]) -> StockDay:
    lapses = [hold.until for hold in holds if hold.until is not None]
    return stock.model_copy(update={"holds": holds, "due_at": min(lapses, default=None)})
