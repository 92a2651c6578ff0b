"""Everything that can happen to what is held of a limited extra on a day, and what an order needs of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from contracts.ids import ExtraId
from contracts.orders import OrderLine
from extras_service.catalogue import Extra
from extras_service.order.state import Order
from extras_service.stock.state import Hold, Holder, stock_id


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
