"""The state of an order's receipts."""

from collections.abc import Iterable
from datetime import datetime

from chassis.decision import State
from contracts.ids import OrderId, PropertyId
from contracts.money import Money
from contracts.order_receipts import Receipt, ReceiptKind
from extras_service.order.state import Order
from extras_service.order.vat_shares import Flow, KeptLines

FLOW = {ReceiptKind.PAYMENT: Flow.IN, ReceiptKind.REFUND: Flow.OUT, ReceiptKind.REFUND_FAILED: Flow.IN}


class OrderReceipts(State):
    """All receipts of one order, by their numbers."""

    order_id: OrderId
    property_id: PropertyId
    created_at: datetime
    receipts: tuple[Receipt, ...]

    @property
    def summary(self) -> str:
        return f"{len(self.receipts)} issued, the newest is {self.receipts[-1].number}"


def kept_lines(order: Order, receipts: Iterable[Receipt]) -> KeptLines:
    """What is kept of each line of an order after these receipts."""
    kept = KeptLines.unpaid(order.lines, order.taken_out.lines if order.taken_out else ())
    for receipt in receipts:
        kept = kept.after(receipt.shares, FLOW[receipt.receipt_kind])
    return kept


def balance(receipts: Iterable[Receipt], currency: str, *, is_outside: bool | None = None) -> Money:
    """What receipts of this currency say the hotel has received, less refunds; only of the PSP's or of the others."""
    chosen = (each for each in receipts if each.amount.currency == currency and is_outside in (None, each.is_outside))
    hundredths = sum(FLOW[each.receipt_kind] * each.amount.in_hundredths for each in chosen)
    return Money.of_hundredths(hundredths, currency)
