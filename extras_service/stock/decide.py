"""Decides on the stock of an extra on a day: held by pending orders, kept by paid ones, released by the rest.

Holding and ordering are two documents, so two writes, in the sequence of `placement.py`. A hold belongs to the lines of
one command (their digest), so two commands under one Idempotency-Key never share a hold, and each check compares it
with the existing order. It lapses by itself, and before it is released its order is read: a crash between the two
writes blocks a place for no longer than an unpaid order lives.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Refused
from contracts.orders import OrderStatus, Reason
from extras_service.order.state import Order
from extras_service.order.status import CLOSED
from extras_service.stock.inputs import Demand, HoldStock, LapseHold, RecheckHold, ReclaimHold, RenameHolder, StockInput
from extras_service.stock.state import Hold, Holder, StockDay, hold_of

LAPSE_MARGIN = timedelta(minutes=1)
"""The time by which a hold outlives its order's deadline, so that the order is usually closed when it lapses."""


def decide(stock: StockDay | None, message: StockInput, now: datetime) -> Decision[StockDay]:
    """Decide on `message`."""
    match message:
        case HoldStock():
            return _hold(stock, message)
        case ReclaimHold():
            return _reclaim(stock, message)
        case LapseHold(holder=holder):
            return _lapse(stock, holder, now)
        case RecheckHold():
            return _recheck(stock, message, now)
        case RenameHolder(holder=holder):
            return _rename(stock, holder)
        case _:
            assert_never(message)


def _hold(stock: StockDay | None, message: HoldStock) -> Decision[StockDay]:
    holder, demand = message.holder, message.demand
    stock = stock or demand.free()
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
    stock = stock or demand.free()
    known = hold_of(stock, holder)
    if known is None:
        claimed = _new(holder, demand, message.until).model_copy(update={"confirmed": True, "reclaims": 1})
        none_left = None if message.beyond_limit else _sold_out(stock, demand)
        return none_left or Applied(_with(stock, (*stock.holds, claimed)))
    # Always with an end: if the order is closed by then, nothing else releases it.
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
            f"One guest can have at most {demand.per_guest} of {demand.name} on {demand.when}; "
            f"your orders have {held} already. Choose another day or fewer.",
        )
    none_left = _sold_out(stock, demand)
    return replace(none_left, detail=f"{none_left.detail} Choose another day or fewer.") if none_left else None


def _sold_out(stock: StockDay, demand: Demand) -> Refused | None:
    left = demand.limit - stock.taken
    if demand.quantity > left:
        some = f"only {left} left" if left > 0 else "sold out"
        return Refused(Reason.OUT_OF_STOCK, f"{demand.name} on {demand.when}: {some}.")
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
    if order is not None and is_orders and order.status in CLOSED:
        return _without(stock, hold)
    if order is not None and is_orders and order.taken_out and (needed := _needed(stock, order)) < hold.quantity:
        less = hold.model_copy(update={"quantity": needed})
        return Applied(_replaced(stock, hold, less)) if needed else _without(stock, hold)
    # A closed order came under review before its release arrived: it is checked again until the review is decided.
    is_reviewed = order is not None and order.status is OrderStatus.NEEDS_REVIEW
    if now < hold.until if hold.until is not None else not is_reviewed:
        return Ignored("the hold has not lapsed")
    if order is None or not is_orders:
        return _without(stock, hold)
    # An order that awaits approval keeps its places: its deadline is the hotel's, and it closes by itself.
    is_kept = order.status in (
        OrderStatus.AWAITING_APPROVAL,
        OrderStatus.CAPTURING,
        OrderStatus.CONFIRMED,
        OrderStatus.FULFILLED,
    )
    until = None if is_kept else lapse_at(max(now, order.due_at or now), min(LAPSE_MARGIN, order.pay_within))
    return Applied(_replaced(stock, hold, hold.model_copy(update={"until": until})))


def _needed(stock: StockDay, order: Order) -> int:
    """The places that the order's lines need of this stock, without those that staff took out."""
    here = (stock.extra_id, stock.day, stock.slot)
    return sum(line.quantity for line in order.owed.values() if (line.extra_id, line.day, line.slot) == here)


def _rename(stock: StockDay | None, holder: Holder) -> Decision[StockDay]:
    """All holds of the order, whichever command they are of."""
    own = [hold for hold in stock.holds if hold.order_id == holder.order_id] if stock else []
    if stock is None or all(hold.guest_key == holder.guest_key for hold in own):
        return Ignored("it holds nothing under another name")
    holds = (hold.model_copy(update={"guest_key": holder.guest_key}) if hold in own else hold for hold in stock.holds)
    return Applied(_with(stock, tuple(holds)))


def lapse_at(deadline: datetime, margin: timedelta = LAPSE_MARGIN) -> datetime:
    """The time at which the hold of an order lapses that may be paid until `deadline`."""
    return deadline + margin


def _replaced(stock: StockDay, hold: Hold, by: Hold) -> StockDay:
    return _with(stock, tuple(by if other == hold else other for other in stock.holds))


def _with(stock: StockDay, holds: tuple[Hold, ...]) -> StockDay:
    lapses = [hold.until for hold in holds if hold.until is not None]
    return stock.model_copy(update={"holds": holds, "due_at": min(lapses, default=None)})
