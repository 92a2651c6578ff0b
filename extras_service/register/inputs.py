"""The inputs of a register's decisions."""

from dataclasses import dataclass

from chassis.errors import TransientError
from contracts.ids import GuestId, PropertyId
from contracts.order_receipts import Receipt, ReceiptContent


@dataclass(frozen=True, slots=True)
class NumberReceipt:
    """A receipt is due, and no receipt of its place was found: not in the register, and then not with its order."""

    content: ReceiptContent
    seen: int
    """The register's last number when it was read, before the order's receipts were."""
    filed: frozenset[int] = frozenset()
    """Numbers that are known to be filed, and may be forgotten."""
    guest_id: GuestId | None = None
    """For those who follow the event."""


@dataclass(frozen=True, slots=True)
class AdoptReceipt:
    """A filed receipt was reported again: a register that was restored from a backup may not know its number."""

    receipt: Receipt


RegisterInput = NumberReceipt | AdoptReceipt


class RegisterMovedError(TransientError):
    """The register has forgotten receipts since it was read: one of them may be the receipt that is to be numbered."""

    def __init__(self, property_id: PropertyId) -> None:
        super().__init__(f"the register of {property_id} has moved on since it was read")


class RegisterFullError(TransientError):
    """The register remembers as many receipts as it may: they must be filed before another one is numbered."""

    def __init__(self, property_id: PropertyId) -> None:
        super().__init__(f"the register of {property_id} has too many receipts that are not known to be filed")
