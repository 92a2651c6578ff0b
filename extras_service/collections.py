"""The extras service's collections: orders, stock, properties, the catalogue, and receipts."""

from collections.abc import Callable
from datetime import datetime

from chassis.messaging.envelope import utc_now
from chassis.storage.documents import Documents, DocumentStore, Records
from contracts.ids import PropertyId
from contracts.orders import OrderStatus
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.offers import Offers
from extras_service.catalogue.state import CatalogueExtra
from extras_service.desk_lists import INDEXED as DESK_INDEXES
from extras_service.order.erasure_ledger import ErasedOrder
from extras_service.order.state import Order
from extras_service.pictures.record import PictureRecord
from extras_service.property.state import Property
from extras_service.receipt.state import OrderReceipts
from extras_service.register.state import Register
from extras_service.stock.state import StockDay


class ExtrasStore:
    def __init__(self, store: DocumentStore, clock: Callable[[], datetime] = utc_now) -> None:
        self._now = clock
        self.orders: Documents[Order] = store.documents(
            "orders", Order, indexed=("guest_key", "status", "open_of", "erasure+guest.stay_to", *DESK_INDEXES)
        )
        self.stock: Documents[StockDay] = store.documents("stock", StockDay)
        self.properties: Documents[Property] = store.documents("properties", Property, indexed=("status",))
        self.catalogue: Documents[CatalogueExtra] = store.documents(
            "catalogue", CatalogueExtra, indexed=("property_id",)
        )
        self.pictures: Records[PictureRecord] = store.records(
            "pictures", PictureRecord, indexed=("property_id", "source", "used_at")
        )
        self.receipts: Documents[OrderReceipts] = store.documents("receipts", OrderReceipts, indexed=("property_id",))
        self.registers: Documents[Register] = store.documents("receipt_registers", Register, indexed=("status",))
        self.erasures: Records[ErasedOrder] = store.records("erasures", ErasedOrder, indexed=("order_id",))
        self._records: Records[Extra] = store.records("extras", Extra, indexed=("property_id",))
        self.extras = Offers(self.catalogue, self.properties, self._records)

    async def property_of(self, property_id: PropertyId) -> Property | None:
        """The property, or None if it is not defined."""
        stored = await self.properties.load(property_id)
        return stored.state if stored else None

    async def reviews(self) -> tuple[int, datetime | None]:
        """The number of orders under review, and the time of the oldest."""
        return await self.orders.attention_since(self._now(), status=OrderStatus.NEEDS_REVIEW)

    async def approvals(self) -> tuple[int, datetime | None]:
        """The number of orders that await the hotel's approval, and the time of the oldest."""
        return await self.orders.attention_since(self._now(), status=OrderStatus.AWAITING_APPROVAL)

    async def failed_refunds(self) -> tuple[int, datetime | None]:
        """The number of orders with a failed, unsettled refund that await no decision, and the oldest time."""
        awaited = (OrderStatus.NEEDS_REVIEW, OrderStatus.AWAITING_APPROVAL)
        others = [status for status in OrderStatus if status not in awaited]
        return await self.orders.attention_since(self._now(), status={"$in": others})

    async def prepare(self) -> None:
        """Create indexes, and mark reviews of older versions for the gauge."""
        await self.orders.prepare()
        await self.stock.prepare()
        await self.properties.prepare()
        await self.catalogue.prepare()
        await self.receipts.prepare()
        await self.registers.prepare()
        await self.orders.mark_attention(self._now(), status=OrderStatus.NEEDS_REVIEW)
