"""The inputs of decisions on stock, and an order's demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from contracts.ids import ExtraId
from contracts.orders import OrderLine
from extras_service.catalogue.extra import Extra
from extras_service.order.state import Order
from extras_service.stock.state import Hold, Holder, StockDay, stock_id


@dataclass(frozen=True, slots=True)
class Demand:
    """An order's demand for a limited extra on a day, or in a slot of it, with its limits."""

    extra_id: ExtraId
    name: str
    day: date
    quantity: int
    limit: int
    """How many there are on the day, or in the slot."""
    per_guest: int
    """The limit of one guest on this day, or in this slot, over all their orders."""
    slot: str | None = None

    @property
    def stock_id(self) -> str:
        return stock_id(self.extra_id, self.day, self.slot)

    @property
    def when(self) -> str:
        """Its day and slot in a sentence."""
        return f"{self.day} at {self.slot}" if self.slot else f"{self.day}"

    def free(self) -> StockDay:
        """Its stock before anything is held."""
        return StockDay(extra_id=self.extra_id, day=self.day, slot=self.slot)


@dataclass(frozen=True, slots=True)
class HoldStock:
    """Hold the demand until a time. `confirms`: the order exists, and relies on the hold from now on."""

    holder: Holder
    demand: Demand
    until: datetime
    confirms: bool = False


@dataclass(frozen=True, slots=True)
class ReclaimHold:
    """Staff accept the order, which may have been closed: hold its demand, or claim its existing hold."""

    holder: Holder
    demand: Demand
    until: datetime
    beyond_limit: bool = False
    """Whether to hold it even if none is left."""


@dataclass(frozen=True, slots=True)
class LapseHold:
    """A command no longer relies on its hold: the hold lapses now, and its order is read."""

    holder: Holder


@dataclass(frozen=True, slots=True)
class RecheckHold:
    """A hold has lapsed, or its order has closed. `order` was read after `seen`, so it does not decide on a hold that
    has changed since."""

    seen: Hold
    order: Order | None


@dataclass(frozen=True, slots=True)
class RenameHolder:
    """The order of a hold has forgotten its guest: the hold names the pseudonym of `holder`."""

    holder: Holder


StockInput = HoldStock | ReclaimHold | LapseHold | RecheckHold | RenameHolder


def demands(lines: tuple[OrderLine, ...], catalogue: Mapping[str, Extra], max_held: int) -> tuple[Demand, ...]:
    """An order's demand for limited extras, one entry per extra, day and slot.

    One guest may hold `max_held` of each, but at least the maximum of one order.
    """
    needed: dict[tuple[ExtraId, date, str | None], int] = {}
    for line in lines:
        extra = catalogue.get(line.extra_id)
        if extra is not None and line.day is not None and extra.places(line.slot) is not None:
            key = (line.extra_id, line.day, line.slot)
            needed[key] = needed.get(key, 0) + line.quantity
    return tuple(
        Demand(
            extra_id,
            catalogue[extra_id].readable,
            day,
            quantity,
            catalogue[extra_id].places(slot) or 0,
            max(max_held, catalogue[extra_id].max_quantity),
            slot,
        )
        for (extra_id, day, slot), quantity in needed.items()
    )
