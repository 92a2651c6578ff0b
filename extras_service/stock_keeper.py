"""Carries out what `stock.py` decides, over as many extras and days as an order needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog

from chassis.decision import Decision, Refused
from chassis.envelope import Delivery, utc_now
from chassis.store import Documents
from chassis.write_path import WritePath
from contracts.ids import OrderId
from extras_service.order import Order
from extras_service.stock import (
    Demand,
    GiveBack,
    Review,
    StockDay,
    StockInput,
    Take,
    decide,
    lapse_at,
    lapsed,
    stock_id,
)

log = structlog.get_logger()

_SWEEP_LIMIT = 200


@dataclass(frozen=True, slots=True)
class StockKeeper:
    """Holds and gives back."""

    days: WritePath[StockDay]
    documents: Documents[StockDay]
    orders: Documents[Order]
    pay_within: timedelta
    clock: Callable[[], datetime] = utc_now

    async def take(self, order_id: OrderId, demands: tuple[Demand, ...], delivery: Delivery) -> Refused | None:
        """Hold all of it, or nothing. An order that exists has its holds already, or gave them back."""
        if not demands or await self.orders.load(order_id) is not None:
            return None
        until = lapse_at(self.clock(), self.pay_within)
        for number, demand in enumerate(demands):
            handled = await self._apply(demand.stock_id, delivery, Take(order_id, demand, until))
            if isinstance(handled, Refused):
                for held in demands[:number]:
                    await self._apply(held.stock_id, delivery, GiveBack(order_id))
                return handled
        return None

    async def give_back(self, order: Order, delivery: Delivery) -> None:
        """An order that expired or was cancelled needs nothing any more."""
        for key in {(line.extra_id, line.day) for line in order.lines if line.day is not None}:
            await self._apply(stock_id(*key), delivery, GiveBack(order.order_id))

    async def sweep(self) -> None:
        """Look at the orders whose holds have lapsed: keep what is paid, extend what may be, give back the rest."""
        now = self.clock()
        for document_id in await self.documents.ids_due(now, _SWEEP_LIMIT):
            stored = await self.documents.load(document_id)
            for order_id in lapsed(stored.state, now) if stored else ():
                order = await self.orders.load(order_id)
                review = Review(order_id, order.state if order else None)
                delivery = Delivery(f"{document_id}.lapsed.{order_id}", f"{document_id}.lapsed", "lapsed")
                await self._apply(document_id, delivery, review)
                log.info("stock.reviewed", stock_id=document_id, order_id=order_id)

    async def _apply(self, document_id: str, delivery: Delivery, message: StockInput) -> object:
        # What a step changes is known by its order, not by its message: a delivery that comes again after its holds
        # were given back, or an order that is looked at a second time, must find the day as it is now.
        step = Delivery(
            f"{delivery.message_id}.{type(message).__name__}.{self.clock().timestamp():.6f}",
            delivery.correlation_id,
            delivery.kind,
            delivery.message_id,
        )
        handled = await self.days.handle(document_id, step, partial(_decide, message))
        return handled.outcome


def _decide(message: StockInput, stock: StockDay | None, now: datetime) -> Decision[StockDay]:
    return decide(stock, message, now)
