"""The state of a limited extra on a day, or in a slot of it: its holds."""

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from chassis.decision import State
from contracts.ids import ExtraId, OrderId
from extras_service.order.state import Order


class Hold(BaseModel):
    """Places held for one order. With `until` None the order is paid and keeps them."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    quantity: int
    until: datetime | None
    lines_digest: str = ""
    """Digest of the lines they are held for. Empty in holds of older versions, matched by the order's id only."""
    guest_key: str = ""
    confirmed: bool = False
    """Held again after the order was placed, so that the order relies on it."""
    reclaims: int = 0
    """How often a review of the order has claimed it again. A release based on an earlier reading leaves it alone."""


class StockDay(State):
    """One limited extra on one day, or in one slot of it."""

    extra_id: ExtraId
    day: date
    slot: str | None = None
    holds: tuple[Hold, ...] = ()

    @property
    def summary(self) -> str:
        return f"{self.taken} taken"

    @property
    def taken(self) -> int:
        return sum(hold.quantity for hold in self.holds)


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of places: an order, the lines of one command, and their guest."""

    order_id: OrderId
    lines_digest: str
    guest_key: str

    @classmethod
    def of(cls, order: Order) -> "Holder":
        return cls(order.order_id, order.lines_digest, order.guest_key)


def stock_id(extra_id: ExtraId, day: date, slot: str | None = None) -> str:
    return f"stk_{extra_id}_{day.isoformat()}{f'_{slot}' if slot else ''}"


def hold_of(stock: StockDay | None, holder: Holder) -> Hold | None:
    """The hold of these lines of this order."""
    own = (holder.lines_digest, "")
    holds = stock.holds if stock else ()
    return next((hold for hold in holds if hold.order_id == holder.order_id and hold.lines_digest in own), None)


def lapsed(stock: StockDay, now: datetime) -> tuple[Hold, ...]:
    """Holds that have lapsed; the order of each must be read."""
    return tuple(hold for hold in stock.holds if hold.until is not None and hold.until <= now)
