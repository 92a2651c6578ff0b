"""Erases orders by age, and again after a restore."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from chassis.messaging.envelope import utc_now
from chassis.messaging.own_causes import erasing
from chassis.storage.documents import Documents, Records
from chassis.storage.write_path import WritePath, others_go_on
from extras_service.order.erasure_ledger import ErasedOrder
from extras_service.order.inputs import OrderInput, RetentionPassed
from extras_service.order.state import Order

log = structlog.get_logger()

AT_ONCE = 200
"""Orders in one sweep."""
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
"""Of an order's id: each sweep compares the part of the ledger whose ids begin with one of them."""


@dataclass
class ErasureKeeper:
    """Sweeps that erase. Every method raises StoreUnavailableError."""

    orders: WritePath[Order, OrderInput]
    documents: Documents[Order]
    ledger: Records[ErasedOrder]
    erase_after: timedelta | None = None
    """After the day of departure. None: never by age."""
    clock: Callable[[], datetime] = utc_now
    _part: int = field(default=0, init=False)

    async def sweep_old(self) -> int:
        """Mark the orders whose guests have left long enough ago. Each is found once. Returns their number."""
        if self.erase_after is None:
            return 0
        latest = (self.clock() - self.erase_after).date().isoformat()
        ids = await self.documents.ids_below("guest.stay_to", latest, AT_ONCE, erasure=None)
        for order_id in ids:
            with others_go_on(order_id):
                await self.orders.handle(order_id, RetentionPassed(), erasing(order_id, "age"))
        if ids:
            log.info("orders.erased_by_age", orders=len(ids))
        return len(ids)

    async def sweep_ledger(self) -> int:
        """Erase again what a restored backup has brought back. Returns the number of such orders."""
        begins = [f"ord_{digit}" for digit in _DIGITS]
        least, self._part = begins[self._part], (self._part + 1) % len(begins)
        entries = await self.ledger.between("order_id", least, f"{least}~")
        return await self.erase_again(list(entries.values()))

    async def erase_again(self, entries: list[ErasedOrder]) -> int:
        """Have the orders of these entries forget their guests, if they have not been asked to."""
        known = {entry.order_id: entry for entry in entries}
        ids, again = list(known), 0
        for start in range(0, len(ids), AT_ONCE):
            for _, order in await self.documents.load_many(ids[start : start + AT_ONCE]):
                if order.erasure is None:
                    again += 1
                    with others_go_on(order.order_id):
                        command = known[order.order_id].command
                        await self.orders.handle(order.order_id, command, erasing(order.order_id, "ledger"))
        if again:
            log.warning("orders.erased_again", orders=again)
        return again
