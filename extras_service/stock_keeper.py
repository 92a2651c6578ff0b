"""Carries out what `stock.py` decides, over as many extras and days as an order needs."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from chassis.decision import Decision, Refused
from chassis.envelope import Delivery, utc_now
from chassis.store import Documents
from chassis.write_path import WritePath, others_go_on
from extras_service.order import Order
from extras_service.stock import (
    Demand,
    Holder,
    HoldStock,
    LapseHold,
    RecheckHold,
    ReleaseStock,
    StockDay,
    StockInput,
    decide,
    lapse_at,
    lapsed,
    stock_id,
)

log = structlog.get_logger()

_SWEEP_LIMIT = 200


@dataclass(frozen=True, slots=True)
class StockKeeper:
    """Holds and releases places of limited extras."""

    days: WritePath[StockDay]
    documents: Documents[StockDay]
    orders: Documents[Order]
    pay_within: timedelta
    clock: Callable[[], datetime] = utc_now

    async def hold(
        self, holder: Holder, demands: tuple[Demand, ...], delivery: Delivery, *, confirms: bool = False
    ) -> Refused | None:
        """Hold all of it. What was held before a refusal lapses at once, unless an order relies on it."""
        for number, demand in enumerate(demands):
            until = lapse_at(self.clock() + self.pay_within)
            outcome = await self._apply(demand.stock_id, delivery, HoldStock(holder, demand, until, confirms))
            if isinstance(outcome, Refused):
                await self.lapse(holder, demands[:number], delivery)
                return outcome
        return None

    async def lapse(self, holder: Holder, demands: tuple[Demand, ...], delivery: Delivery) -> None:
        """A command does not rely on its holds: they go, unless its order is open after all.

        Another delivery of the same command may be placing the order at this moment, so the holds are not taken away:
        they lapse, and then the order is read, as it is for every hold that lapses.
        """
        for demand in demands:
            await self._apply(demand.stock_id, delivery, LapseHold(holder))
            await self._recheck_lapsed(demand.stock_id)

    async def release(self, order: Order, delivery: Delivery) -> None:
        """An order that expired or was cancelled needs nothing any more."""
        for key in {(line.extra_id, line.day) for line in order.lines if line.day is not None}:
            await self._apply(stock_id(*key), delivery, ReleaseStock(Holder.of(order)))

    async def sweep(self) -> None:
        """Read the orders whose holds have lapsed: keep what is paid, extend what may be, release the rest."""
        for document_id in await self.documents.due(self.clock(), _SWEEP_LIMIT):
            with others_go_on(document_id):
                await self._recheck_lapsed(document_id)

    async def _recheck_lapsed(self, document_id: str) -> None:
        stored = await self.documents.load(document_id)
        for hold in lapsed(stored.state, self.clock()) if stored else ():
            order = await self.orders.load(hold.order_id)  # after the hold was read, see RecheckHold
            step_id = f"{document_id}.lapsed.{hold.order_id}.{hold.lines_digest}"
            delivery = Delivery(step_id, f"{document_id}.lapsed", "lapsed")
            await self._apply(document_id, delivery, RecheckHold(hold, order.state if order else None))
            log.info("stock.rechecked", stock_id=document_id, order_id=hold.order_id)

    async def _apply(self, document_id: str, delivery: Delivery, message: StockInput) -> object:
        # What a step changes is known by its order, not by its message: a delivery that comes again after its holds
        # were released, or an order that is looked at a second time, must find the day as it is now.
        step = Delivery(
            f"{delivery.message_id}.{type(message).__name__}.{uuid.uuid4().hex}",
            delivery.correlation_id,
            delivery.kind,
            delivery.message_id,
        )
        handled = await self.days.handle(document_id, step, partial(_decide, message))
        return handled.outcome


def _decide(message: StockInput, stock: StockDay | None, now: datetime) -> Decision[StockDay]:
    return decide(stock, message, now)
