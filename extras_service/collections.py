"""The extras service's collections: orders, stock and the catalogue."""

from collections.abc import Callable
from datetime import datetime

from chassis.messaging.envelope import utc_now
from chassis.storage.documents import Documents, DocumentStore, Records
from contracts.orders import OrderStatus
from extras_service.catalogue.extra import Extra
from extras_service.desk_lists import INDEXED as DESK_INDEXES
from extras_service.order.state import Order
from extras_service.stock.state import StockDay


class ExtrasStore:
    def __init__(self, store: DocumentStore, clock: Callable[[], datetime] = utc_now) -> None:
        self._now = clock
        self.orders: Documents[Order] = store.documents(
            "orders", Order, indexed=("guest_key", "status", "open_of", *DESK_INDEXES)
        )
        self.stock: Documents[StockDay] = store.documents("stock", StockDay)
        self.extras: Records[Extra] = store.records("extras", Extra, indexed=("property_id",))

    async def reviews(self) -> tuple[int, datetime | None]:
        """The number of orders under review, and the time of the oldest."""
        return await self.orders.attention_since(self._now(), status=OrderStatus.NEEDS_REVIEW)

    async def failed_refunds(self) -> tuple[int, datetime | None]:
        """The number of orders with a failed, unsettled refund that are not under review, and the oldest time."""
        return await self.orders.attention_since(self._now(), status={"$ne": OrderStatus.NEEDS_REVIEW})

    async def prepare(self) -> None:
        """Create indexes, and mark reviews of older versions for the gauge."""
        await self.orders.prepare()
        await self.stock.prepare()
        await self.orders.mark_attention(self._now(), status=OrderStatus.NEEDS_REVIEW)
