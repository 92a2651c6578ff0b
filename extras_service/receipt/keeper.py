"""Issues the receipts of an order: numbered by the register of its property, filed with the order.

1. The register is read, then the receipts of the order. 2. The register numbers the next receipt that is due, unless it
has one of that place already, or has forgotten any since it was read. 3. The receipt is filed with its order; only then
may the register forget it. So a receipt that was numbered is found in step 1 or 2, by any instance at any time: no
event and no crash takes a second number for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chassis.errors import ConflictError
from chassis.messaging.envelope import Delivery
from chassis.storage.keyed import KeyedLocks
from chassis.storage.write_path import WritePath
from contracts.ids import PropertyId
from contracts.order_receipts import Receipt
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from extras_service.receipt.due import DueReceipt, content_of, has_money, next_due
from extras_service.receipt.inputs import FileReceipt, ReceiptInput
from extras_service.receipt.state import OrderReceipts
from extras_service.register.inputs import (
    AdoptReceipt,
    NumberReceipt,
    RegisterFullError,
    RegisterInput,
    RegisterMovedError,
)
from extras_service.register.state import Register

_TRIES = 200
"""Steps of one order: each numbers a receipt, or finds that another instance was first."""


@dataclass(frozen=True, slots=True)
class ReceiptKeeper:
    """Issues and files receipts. Every method raises TransientError; when retried, it goes on where it stopped."""

    registers: WritePath[Register, RegisterInput]
    receipts: WritePath[OrderReceipts, ReceiptInput]
    collections: ExtrasStore
    filed: dict[PropertyId, set[int]] = field(default_factory=dict)
    """Numbers that this process has filed and the registers may still remember."""
    locks: KeyedLocks = field(default_factory=KeyedLocks)

    async def catch_up(self, order: Order, delivery: Delivery) -> None:
        """Issue every receipt that is due by the order's money. Reads nothing for an order without any."""
        current: Order | None = order
        for _ in range(_TRIES):
            if current is None or not has_money(current):
                return
            if next_due(current, await self.issued_of(order)) is None:
                return
            # One after the other: those that wait would only find that the register has moved on.
            async with self.locks.holding(order.guest.property_id):
                await self._issue_next(current, delivery)
            # The order may have changed meanwhile, and its change may have found nothing due.
            stored = await self.collections.orders.load(order.order_id)
            current = stored.state if stored else None
        raise ConflictError(order.order_id, _TRIES)

    async def _issue_next(self, order: Order, delivery: Delivery) -> None:
        register = await self.collections.registers.load(order.guest.property_id)
        issued = await self.issued_of(order)
        due = next_due(order, issued)
        if due is not None:
            await self._issue(order, due, issued, register.state if register else None, delivery)

    async def issued_of(self, order: Order) -> tuple[Receipt, ...]:
        """The receipts of an order that were filed."""
        stored = await self.collections.receipts.load(order.order_id)
        return stored.state.receipts if stored else ()

    async def take_back(self, receipt: Receipt, delivery: Delivery) -> bool:
        """File a receipt that was reported, and let its register know its number. False: both had it."""
        was_new = await self._file(receipt, delivery)
        handled = await self.registers.handle(receipt.property_id, AdoptReceipt(receipt), delivery)
        return was_new or handled.outcome.name == "applied"

    async def _issue(
        self, order: Order, due: DueReceipt, issued: tuple[Receipt, ...], register: Register | None, delivery: Delivery
    ) -> None:
        sequence = len(issued) + 1
        receipt = register.numbered(order.order_id, sequence) if register else None
        if receipt is None:
            receipt = await self._number(order, due, issued, register, delivery)
        if receipt is not None:
            await self._file(receipt, delivery)

    async def _number(
        self, order: Order, due: DueReceipt, issued: tuple[Receipt, ...], register: Register | None, delivery: Delivery
    ) -> Receipt | None:
        """The receipt with its number. None: the register has moved on, and must be read again."""
        hotel = await self.collections.property_of(order.guest.property_id)
        content = content_of(order, due, issued, hotel)
        seen = register.last_number if register else 0
        message = NumberReceipt(content, seen, frozenset(self.filed.get(content.property_id, ())), order.guest.guest_id)
        try:
            handled = await self.registers.handle(content.property_id, message, delivery)
        except RegisterMovedError:
            return None
        except RegisterFullError:
            # Left by instances that died before they filed them, or filed by another one.
            await self._file_all(register.open if register else (), delivery)
            return None
        state = handled.state
        if state is None:  # unreachable: a register that has numbered a receipt exists
            return None
        still_open = {each.number for each in state.open}
        self.filed[content.property_id] = self.filed.get(content.property_id, set()) & still_open
        return state.numbered(content.order_id, content.sequence)

    async def _file_all(self, receipts: Iterable[Receipt], delivery: Delivery) -> None:
        for receipt in receipts:
            await self._file(receipt, delivery)

    async def _file(self, receipt: Receipt, delivery: Delivery) -> bool:
        handled = await self.receipts.handle(
            receipt.order_id, FileReceipt(receipt), delivery, likely_new=receipt.sequence == 1
        )
        self.filed.setdefault(receipt.property_id, set()).add(receipt.number)
        return handled.outcome.name == "applied"
