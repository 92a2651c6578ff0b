"""How the parts of the extras service fit together: for the service itself, for the dry run and for tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Publisher
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.steps import Steps
from chassis.runtime.waiting import Waiting
from chassis.storage.audit_log import AuditLog
from chassis.storage.documents import DocumentStore
from chassis.storage.write_path import WritePath
from contracts import services
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_PAYMENTS, EXTRAS_QUERIES, EXTRAS_RECEIPTS, EXTRAS_STOCK
from extras_service.catalogue.decide import decide as decide_extra
from extras_service.catalogue.handlers import CatalogueHandlers
from extras_service.catalogue.inputs import CatalogueInput
from extras_service.catalogue.keeper import CatalogueKeeper
from extras_service.catalogue.state import CatalogueExtra
from extras_service.collections import ExtrasStore
from extras_service.desk_lists import DeskLists
from extras_service.handlers import ExtrasHandlers
from extras_service.order.decide import decide
from extras_service.order.erasure_keeper import ErasureKeeper
from extras_service.order.inputs import DeadlinePassed, OrderInput
from extras_service.order.placement import Placement, Terms
from extras_service.order.review_keeper import ReviewKeeper
from extras_service.order.state import Order
from extras_service.pictures.handlers import PictureHandlers
from extras_service.pictures.keeper import PictureKeeper
from extras_service.property.decide import decide as decide_property
from extras_service.property.inputs import PropertyInput
from extras_service.property.state import Property
from extras_service.receipt.decide import decide as decide_receipt
from extras_service.receipt.handlers import ReceiptHandlers
from extras_service.receipt.inputs import ReceiptInput
from extras_service.receipt.keeper import ReceiptKeeper
from extras_service.receipt.state import OrderReceipts
from extras_service.register.decide import decide as decide_register
from extras_service.register.inputs import RegisterInput
from extras_service.register.state import Register
from extras_service.stock.decide import decide as decide_stock
from extras_service.stock.holds import StockKeeper
from extras_service.stock.inputs import StockInput
from extras_service.stock.state import StockDay

SERVICE = services.EXTRAS
_PICTURES_SWEPT_EVERY = 600.0
_ERASED_EVERY = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class ExtrasParts:
    """The service without its connections."""

    collections: ExtrasStore
    orders: WritePath[Order, OrderInput]
    days: WritePath[StockDay, StockInput]
    properties: WritePath[Property, PropertyInput]
    catalogue: WritePath[CatalogueExtra, CatalogueInput]
    receipts: WritePath[OrderReceipts, ReceiptInput]
    registers: WritePath[Register, RegisterInput]
    handlers: ExtrasHandlers
    staff: CatalogueHandlers
    pictures: PictureHandlers
    receipt_keeper: ReceiptKeeper
    receipt_handlers: ReceiptHandlers
    erasures: ErasureKeeper

    @property
    def tables(self) -> Mapping[str, Handlers]:
        """What is done with each message, by the name of the queue it comes from."""
        return {
            EXTRAS_COMMANDS.name: {**self.handlers.commands(), **self.staff.commands()},
            EXTRAS_PAYMENTS.name: self.handlers.payments(),
            EXTRAS_STOCK.name: self.handlers.order_closures(),
            EXTRAS_RECEIPTS.name: self.receipt_handlers.events(),
            EXTRAS_QUERIES.name: {
                **self.handlers.queries(),
                **self.staff.queries(),
                **self.receipt_handlers.queries(),
                **self.pictures.queries(),
            },
        }

    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]:
        return self.orders, self.days, self.properties, self.catalogue, self.receipts, self.registers

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        """The background work; `sweep_every` in seconds."""
        return (
            *self.orders.loops("orders", sweep_every),
            *self.properties.loops("properties", sweep_every),
            *self.catalogue.loops("catalogue", sweep_every),
            *self.registers.loops("receipt registers", sweep_every),
            Loop("lapsed holds", sweep_every, self.handlers.stock.sweep),
            Loop("orders to erase by age", _ERASED_EVERY, self.erasures.sweep_old),
            Loop("orders to erase again", _ERASED_EVERY, self.erasures.sweep_ledger),
            Loop("unused pictures", _PICTURES_SWEPT_EVERY, self.pictures.keeper.sweep),
        )

    def checks(self) -> dict[str, Check]:
        """For readiness."""
        return {
            **self.orders.checks("orders"),
            **self.days.checks("days of stock"),
            **self.properties.checks("properties"),
            **self.catalogue.checks("extras of the catalogue"),
            **self.registers.checks("receipt registers"),
        }

    def watch(self, waiting: Waiting) -> None:
        """Show by gauges what waits."""
        self.orders.watch(waiting, "orders")
        waiting.watch("orders_in_review", self.collections.reviews)
        waiting.watch("orders_awaiting_approval", self.collections.approvals)
        waiting.watch("refunds_failed", self.collections.failed_refunds)
        self.days.watch(waiting, "stock")
        self.properties.watch(waiting, "properties")
        self.catalogue.watch(waiting, "catalogue")
        self.registers.watch(waiting, "receipt_registers")


def wire(
    bus: Publisher,
    store: DocumentStore,
    clock: Callable[[], datetime],
    terms: Terms,
    *,
    erase_after: timedelta | None = None,
    steps: Steps | None = None,
) -> ExtrasParts:
    """Nothing is asked of bus or store here. `erase_after` the day of departure, orders forget their guests."""
    collections = ExtrasStore(store, clock)
    orders: WritePath[Order, OrderInput] = WritePath(
        collections.orders, bus, decide, on_deadline=DeadlinePassed(), clock=clock
    )
    # What a step changes is known by its order, not by its message: a delivery that comes again after its holds were
    # released, or an order that is looked at a second time, must find the day as it is now.
    days = WritePath(collections.stock, bus, decide_stock, deduplicates=False, clock=clock)
    properties = WritePath(collections.properties, bus, decide_property, clock=clock)
    catalogue = WritePath(collections.catalogue, bus, decide_extra, clock=clock)
    # What is due and numbered is known by order and place, not by the message that led to it.
    receipts = WritePath(collections.receipts, bus, decide_receipt, deduplicates=False, clock=clock)
    registers = WritePath(collections.registers, bus, decide_register, deduplicates=False, clock=clock)
    receipt_keeper = ReceiptKeeper(registers, receipts, collections)
    stock = StockKeeper(days, collections.stock, collections.orders, clock)
    placement = Placement(orders, collections, stock, terms)
    reviews = ReviewKeeper(orders, collections, stock, AuditLog(store))
    desk = DeskLists(collections.orders)
    handlers = ExtrasHandlers(
        orders, collections, stock, placement, reviews, desk, receipt_keeper, bus, clock, steps or Steps()
    )
    pictures = PictureKeeper(collections.pictures, collections.catalogue, clock)
    staff = CatalogueHandlers(CatalogueKeeper(catalogue, properties, collections, pictures), bus)
    return ExtrasParts(
        collections,
        orders,
        days,
        properties,
        catalogue,
        receipts,
        registers,
        handlers,
        staff,
        PictureHandlers(pictures, bus),
        receipt_keeper,
        ReceiptHandlers(receipt_keeper, bus),
        ErasureKeeper(orders, collections.orders, collections.erasures, erase_after, clock),
    )
