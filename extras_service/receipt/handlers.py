"""Handlers of the receipts' messages. Each makes one call and replies to the requester; none decides."""

from dataclasses import dataclass
from typing import Any

from chassis.decision import Done, Ignored, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from contracts.mail import DescribeOrder
from contracts.order_receipts import GetReceipts, ReceiptIssued, ReceiptsReply
from extras_service.handlers import may_see
from extras_service.order.decide import NOT_FOUND
from extras_service.order.replies import order_described, order_reply, refusal
from extras_service.receipt.keeper import ReceiptKeeper


@dataclass(frozen=True, slots=True)
class ReceiptHandlers:
    """The handlers of receipts."""

    keeper: ReceiptKeeper
    bus: Publisher

    def events(self) -> Handlers:
        return {ReceiptIssued: self.receipt_issued}

    def queries(self) -> Handlers:
        return {GetReceipts: self.get_receipts, DescribeOrder: self.describe_order}

    async def receipt_issued(self, event: ReceiptIssued, delivery: Delivery) -> Outcome[Any]:
        return Done() if await self.keeper.take_back(event.receipt, delivery) else Ignored("filed already")

    async def get_receipts(self, query: GetReceipts, delivery: Delivery) -> Outcome[Any]:
        stored = await self.keeper.collections.orders.load(query.order_id)
        if stored is None or not may_see(stored.state, query):
            await send_reply(self.bus, delivery, refusal(NOT_FOUND))
            return Done()
        # An order that was paid before there were receipts, or in an instance of an older version, has none yet.
        await self.keeper.catch_up(stored.state, delivery)
        receipts = await self.keeper.issued_of(stored.state)
        order = order_reply(stored.state, for_staff=False).order
        await send_reply(self.bus, delivery, ReceiptsReply(order=order, receipts=receipts))
        return Done()

    async def describe_order(self, query: DescribeOrder, delivery: Delivery) -> Outcome[Any]:
        stored = await self.keeper.collections.orders.load(query.order_id)
        if stored is None or stored.state.guest.property_id != query.property_id:
            await send_reply(self.bus, delivery, refusal(NOT_FOUND))
            return Done()
        await self.keeper.catch_up(stored.state, delivery)
        receipts = await self.keeper.issued_of(stored.state)
        hotel = await self.keeper.collections.property_of(query.property_id)
        await send_reply(self.bus, delivery, order_described(stored.state, stored.version, receipts, hotel))
        return Done()
