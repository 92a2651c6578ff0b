"""Message handlers. Each makes one call and replies to the requester; none decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from chassis.decision import Applied, Done, Ignored, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from chassis.runtime.steps import Step, Steps
from chassis.storage.write_path import Handled, WritePath
from contracts.approvals import ApproveOrder, OrderDeclined
from contracts.closing import ListClosingOrders
from contracts.desk import DaySheetReply, GetDaySheet, ListPropertyOrders
from contracts.erasure import EraseOrder, OrderErased
from contracts.message import Reply
from contracts.order_receipts import GetReceipts
from contracts.orders import (
    CancelOrder,
    ExtrasReply,
    GetOrder,
    ListExtras,
    ListOrders,
    OrderCancelled,
    OrderExpired,
    OrdersReply,
    PlaceOrder,
    ResolveReview,
    StartPayment,
)
from contracts.payments import PaymentSucceeded
from contracts.psp_accounts import DEFAULT_ACCOUNT
from extras_service.collections import ExtrasStore
from extras_service.desk_lists import DeskLists
from extras_service.order.decide import NOT_FOUND
from extras_service.order.inputs import OrderInput, PaymentEvent, PaymentStart, StaffCommand
from extras_service.order.placement import Placement
from extras_service.order.replies import (
    changed_reply,
    closing_reply,
    listed_reply,
    order_reply,
    placed_reply,
    refusal,
    session_reply,
)
from extras_service.order.review_keeper import ReviewKeeper
from extras_service.order.state import Order, guest_key
from extras_service.receipt.keeper import ReceiptKeeper
from extras_service.stock.holds import StockKeeper


@dataclass(frozen=True, slots=True)
class ExtrasHandlers:
    """The extras service's message handlers."""

    orders: WritePath[Order, OrderInput]
    collections: ExtrasStore
    stock: StockKeeper
    placement: Placement
    reviews: ReviewKeeper
    desk: DeskLists
    receipts: ReceiptKeeper
    bus: Publisher
    clock: Callable[[], datetime]
    steps: Steps

    def commands(self) -> Handlers:
        return {
            PlaceOrder: self.place_order,
            StartPayment: self.start_payment,
            ResolveReview: self.resolve_review,
            EraseOrder: self.erase_order,
            **dict.fromkeys((CancelOrder, *get_args(StaffCommand)), self.change_order),
            ApproveOrder: self.approve_order,
        }

    def payments(self) -> Handlers:
        return {**dict.fromkeys(get_args(PaymentEvent), self.payment_event), PaymentSucceeded: self.paid}

    def order_closures(self) -> Handlers:
        return {
            **dict.fromkeys((OrderExpired, OrderCancelled, OrderDeclined), self.release_stock),
            OrderErased: self.rename_holder,
        }

    def queries(self) -> Handlers:
        return {
            ListExtras: self.list_extras,
            GetOrder: self.get_order,
            ListOrders: self.list_orders,
            ListPropertyOrders: self.list_property_orders,
            GetDaySheet: self.get_day_sheet,
            ListClosingOrders: self.list_closing_orders,
        }

    async def place_order(self, command: PlaceOrder, delivery: Delivery) -> Outcome[Any]:
        handled = await self.placement.place(command, delivery)
        await self._reply(delivery, placed_reply(handled.outcome, handled.state))
        return handled.outcome

    async def release_stock(
        self, event: OrderExpired | OrderCancelled | OrderDeclined, delivery: Delivery
    ) -> Outcome[Any]:
        stored = await self.collections.orders.load(event.order_id)
        if stored is None:
            return Ignored("no such order")
        await self.stock.release(stored.state, delivery)
        return Done()

    async def rename_holder(self, event: OrderErased, delivery: Delivery) -> Outcome[Any]:
        stored = await self.collections.orders.load(event.order_id)
        if stored is None:
            return Ignored("no such order")
        await self.stock.rename(stored.state, delivery)
        return Done()

    async def erase_order(self, command: EraseOrder, delivery: Delivery) -> Outcome[Any]:
        return (await self.orders.handle(command.order_id, command, delivery)).outcome

    async def start_payment(self, command: StartPayment, delivery: Delivery) -> Outcome[Any]:
        handled = await self.placement.start_payment(PaymentStart(command, delivery.pending_reply), delivery)
        await self._reply(delivery, session_reply(handled.outcome, handled.state))
        return handled.outcome

    async def change_order(self, command: CancelOrder | StaffCommand, delivery: Delivery) -> Outcome[Any]:
        handled = await self.orders.handle(command.order_id, command, delivery)
        await self._reply(delivery, changed_reply(handled.outcome, handled.state, for_staff=command.staff is not None))
        return await self._with_receipts(handled, delivery)

    async def approve_order(self, command: ApproveOrder, delivery: Delivery) -> Outcome[Any]:
        handled = await self.orders.handle(command.order_id, command, delivery)
        await self._reply(delivery, changed_reply(handled.outcome, handled.state, for_staff=True))
        if handled.state is not None and handled.state.taken_out is not None:
            await self.stock.release(handled.state, delivery)
        return await self._with_receipts(handled, delivery)

    async def resolve_review(self, command: ResolveReview, delivery: Delivery) -> Outcome[Any]:
        handled = await self.reviews.resolve(command, delivery)
        await self._reply(delivery, changed_reply(handled.outcome, handled.state, for_staff=True))
        return await self._with_receipts(handled, delivery)

    async def payment_event(self, event: PaymentEvent, delivery: Delivery) -> Outcome[Any]:
        return await self._with_receipts(await self.orders.handle(event.order_id, event, delivery), delivery)

    async def paid(self, event: PaymentSucceeded, delivery: Delivery) -> Outcome[Any]:
        handled = await self.orders.handle(event.order_id, event, delivery)
        if isinstance(handled.outcome, Applied) and event.paid_at is not None:
            self.steps.ended(Step.ORDER_PAID, event.paid_at, self.clock())
        return await self._with_receipts(handled, delivery)

    async def _with_receipts(self, handled: Handled[Order], delivery: Delivery) -> Outcome[Any]:
        """The outcome, after every receipt is issued that it made due: also if the message was handled before."""
        if handled.state is not None:
            await self.receipts.catch_up(handled.state, delivery)
        return handled.outcome

    async def list_extras(self, query: ListExtras, delivery: Delivery) -> Outcome[Any]:
        extras = await self.collections.extras.of(query.property_id)
        views = tuple(extra.view() for extra in extras if extra.is_on_offer)
        await self._reply(delivery, ExtrasReply(extras=views))
        return Done()

    async def get_order(self, query: GetOrder, delivery: Delivery) -> Outcome[Any]:
        stored = await self.collections.orders.load(query.order_id)
        visible = stored is not None and may_see(stored.state, query)
        reply = order_reply(stored.state, for_staff=query.guest_id is None) if stored and visible else None
        await self._reply(delivery, reply or refusal(NOT_FOUND))
        return Done()

    async def list_orders(self, query: ListOrders, delivery: Delivery) -> Outcome[Any]:
        orders = await self.collections.orders.find(query.limit, guest_key=guest_key(query.guest_id, query.property_id))
        await self._reply(delivery, OrdersReply(orders=tuple(order.view() for order in orders)))
        return Done()

    async def list_property_orders(self, query: ListPropertyOrders, delivery: Delivery) -> Outcome[Any]:
        page = await self.desk.page(query)
        await self._reply(delivery, listed_reply(page))
        return Done()

    async def get_day_sheet(self, query: GetDaySheet, delivery: Delivery) -> Outcome[Any]:
        await self._reply(delivery, DaySheetReply(sheet=await self.desk.sheet(query)))
        return Done()

    async def list_closing_orders(self, query: ListClosingOrders, delivery: Delivery) -> Outcome[Any]:
        hotel = await self.collections.property_of(query.property_id)
        psp_accounts = hotel.psp_accounts if hotel else (DEFAULT_ACCOUNT,)
        await self._reply(delivery, closing_reply(await self.desk.closing(query), psp_accounts))
        return Done()

    async def _reply(self, delivery: Delivery, reply: Reply | None) -> None:
        await send_reply(self.bus, delivery, reply)


def may_see(order: Order, query: GetOrder | GetReceipts) -> bool:
    """Whether the order is the query's guest's own, or of its staff's property."""
    if query.guest_id is None:
        return order.guest.property_id == query.property_id
    return order.guest_key == guest_key(query.guest_id, query.property_id)
