"""The inputs of the decisions on an order's receipts."""

from dataclasses import dataclass

from contracts.order_receipts import Receipt


@dataclass(frozen=True, slots=True)
class FileReceipt:
    """A receipt has its number, and belongs to its order from now on."""

    receipt: Receipt


ReceiptInput = FileReceipt
