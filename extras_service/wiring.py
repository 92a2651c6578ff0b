"""How the parts of the extras service fit together: for the service itself, for the dry run and for tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Publisher
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.waiting import Waiting
from chassis.storage.audit_log import AuditLog
from chassis.storage.documents import DocumentStore
from chassis.storage.write_path import WritePath
from contracts import services
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_PAYMENTS, EXTRAS_QUERIES, EXTRAS_STOCK
from extras_service.collections import ExtrasStore
from extras_service.desk_lists import DeskLists
from extras_service.handlers import ExtrasHandlers
from extras_service.order.decide import decide
from extras_service.order.inputs import DeadlinePassed, OrderInput
from extras_service.order.placement import Placement, Terms
from extras_service.order.review_keeper import ReviewKeeper
from extras_service.order.state import Order
from extras_service.stock.decide import decide as decide_stock
from extras_service.stock.holds import StockKeeper
from extras_service.stock.inputs import StockInput
from extras_service.stock.state import StockDay

SERVICE = services.EXTRAS


@dataclass(frozen=True, slots=True)
class ExtrasParts:
    """The service without its connections."""

    collections: ExtrasStore
    orders: WritePath[Order, OrderInput]
    days: WritePath[StockDay, StockInput]
    handlers: ExtrasHandlers

    @property
    def tables(self) -> Mapping[str, Handlers]:
        """What is done with each message, by the name of the queue it comes from."""
        return {
            EXTRAS_COMMANDS.name: self.handlers.commands(),
            EXTRAS_PAYMENTS.name: self.handlers.payments(),
            EXTRAS_STOCK.name: self.handlers.order_closures(),
            EXTRAS_QUERIES.name: self.handlers.queries(),
        }

    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]:
        return self.orders, self.days

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        """The background work; `sweep_every` in seconds."""
        return (*self.orders.loops("orders", sweep_every), Loop("lapsed holds", sweep_every, self.handlers.stock.sweep))

    def checks(self) -> dict[str, Check]:
        """For readiness."""
        return {**self.orders.checks("orders"), **self.days.checks("days of stock")}

    def watch(self, waiting: Waiting) -> None:
        """Show by gauges what waits."""
        self.orders.watch(waiting, "orders")
        waiting.watch("orders_in_review", self.collections.reviews)
        waiting.watch("refunds_failed", self.collections.failed_refunds)
        self.days.watch(waiting, "stock")


def wire(bus: Publisher, store: DocumentStore, clock: Callable[[], datetime], terms: Terms) -> ExtrasParts:
    """Nothing is asked of bus or store here."""
    collections = ExtrasStore(store, clock)
    orders: WritePath[Order, OrderInput] = WritePath(
        collections.orders, bus, decide, on_deadline=DeadlinePassed(), clock=clock
    )
    # What a step changes is known by its order, not by its message: a delivery that comes again after its holds were
    # released, or an order that is looked at a second time, must find the day as it is now.
    days = WritePath(collections.stock, bus, decide_stock, deduplicates=False, clock=clock)
    stock = StockKeeper(days, collections.stock, collections.orders, terms.pay_within, clock)
    placement = Placement(orders, collections, stock, terms)
    reviews = ReviewKeeper(orders, collections, stock, AuditLog(store))
    desk = DeskLists(collections.orders)
    handlers = ExtrasHandlers(orders, collections, stock, placement, reviews, desk, bus)
    return ExtrasParts(collections, orders, days, handlers)
