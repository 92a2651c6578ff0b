"""Carries out what `decide.py` decides, over as many extras and days as an order needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from chassis.decision import Refused
from chassis.messaging.envelope import Delivery, utc_now
from chassis.messaging.own_causes import LAPSED
from chassis.storage.documents import Documents
from chassis.storage.write_path import WritePath, others_go_on
from extras_service.order.state import Order
from extras_service.stock.decide import lapse_at
from extras_service.stock.inputs import Demand, HoldStock, LapseHold, RecheckHold, ReclaimHold, RenameHolder, StockInput
from extras_service.stock.state import Hold, Holder, StockDay, hold_of, lapsed, stock_id

log = structlog.get_logger()

_SWEEP_LIMIT = 200


@dataclass(frozen=True, slots=True)
class StockKeeper:
    """Holds and releases places of limited extras."""

    days: WritePath[StockDay, StockInput]
    documents: Documents[StockDay]
    orders: Documents[Order]
    clock: Callable[[], datetime] = utc_now

    async def hold(
        self,
        holder: Holder,
        demands: tuple[Demand, ...],
        delivery: Delivery,
        *,
        pay_within: timedelta,
        confirms: bool = False,
    ) -> Refused | None:
        """Hold all of it, for an order that may be paid that long.

        What was held before a refusal lapses at once, unless an order relies on it.
        """
        for number, demand in enumerate(demands):
            until = lapse_at(self.clock() + pay_within)
            outcome = await self._apply(demand.stock_id, delivery, HoldStock(holder, demand, until, confirms))
            if isinstance(outcome, Refused):
                await self.lapse(holder, demands[:number], delivery)
                return outcome
        return None

    async def lapse(self, holder: Holder, demands: tuple[Demand, ...], delivery: Delivery) -> None:
        """A command does not rely on its holds: they go, unless its order is open after all.

        Another delivery of the same command may be placing the order at this moment, so the holds are not removed:
        they lapse, and then the order is read, as it is for every hold that lapses.
        """
        for demand in demands:
            await self._apply(demand.stock_id, delivery, LapseHold(holder))
            await self._recheck_lapsed(demand.stock_id)

    async def reclaim(
        self, order: Order, demands: tuple[Demand, ...], delivery: Delivery, *, beyond_limit: bool
    ) -> Refused | None:
        """Hold what an order under review needs, whether or not it still holds it. None of it goes while the review is
        open: what was held before a refusal stays held until the order is decided.
        """
        for demand in demands:
            until = lapse_at(self.clock() + order.pay_within)
            claim = ReclaimHold(Holder.of(order), demand, until, beyond_limit)
            outcome = await self._apply(demand.stock_id, delivery, claim)
            if isinstance(outcome, Refused):
                return outcome
        return None

    async def release(self, order: Order, delivery: Delivery) -> None:
        """Let go what an order does not need: all of it if the order is closed when it is read after its hold, and what
        is held for lines that staff took out."""
        for document_id in _days_of(order):
            day = await self.documents.load(document_id)
            hold = hold_of(day.state, Holder.of(order)) if day else None
            if hold is not None:
                await self._recheck(document_id, hold, delivery)

    async def rename(self, order: Order, delivery: Delivery) -> None:
        """The order has forgotten its guest: so does what it holds."""
        for document_id in _days_of(order):
            await self._apply(document_id, delivery, RenameHolder(Holder.of(order)))

    async def sweep(self) -> None:
        """Read the orders whose holds have lapsed: keep what is paid, extend what may be, release the rest."""
        for document_id in await self.documents.due(self.clock(), _SWEEP_LIMIT):
            with others_go_on(document_id):
                await self._recheck_lapsed(document_id)

    async def _recheck_lapsed(self, document_id: str) -> None:
        stored = await self.documents.load(document_id)
        for hold in lapsed(stored.state, self.clock()) if stored else ():
            step_id = f"{document_id}.{LAPSED}.{hold.order_id}.{hold.lines_digest}"
            delivery = Delivery(step_id, f"{document_id}.{LAPSED}", LAPSED)
            await self._recheck(document_id, hold, delivery)
            log.info("stock.rechecked", stock_id=document_id, order_id=hold.order_id)

    async def _recheck(self, document_id: str, hold: Hold, delivery: Delivery) -> None:
        order = await self.orders.load(hold.order_id)  # after the hold was read, see RecheckHold
        await self._apply(document_id, delivery, RecheckHold(hold, order.state if order else None))

    async def _apply(self, document_id: str, delivery: Delivery, message: StockInput) -> object:
        return (await self.days.handle(document_id, message, delivery.step(type(message).__name__))).outcome


def _days_of(order: Order) -> set[str]:
    """The ids of the days on which it may hold something."""
    return {stock_id(line.extra_id, line.day, line.slot) for line in order.lines if line.day is not None}
