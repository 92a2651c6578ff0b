"""The state of a property's register of receipts."""

from datetime import datetime

from chassis.decision import State
from contracts.ids import OrderId, PropertyId
from contracts.order_receipts import Receipt

IN_USE = "in use"


class Register(State):
    """The numbers of one property's receipts.

    It remembers only its latest receipts: those that may not be filed with their orders yet. Its size does not grow
    with their number.
    """

    property_id: PropertyId
    created_at: datetime
    status: str = IN_USE
    """An index lists all registers by it."""
    last_number: int = 0
    forgotten: int = 0
    """The highest number that is no longer remembered. Every number that is not remembered is filed."""
    open: tuple[Receipt, ...] = ()
    """The receipts remembered, by their numbers."""

    def numbered(self, order_id: OrderId, sequence: int) -> Receipt | None:
        """The remembered receipt of this place among an order's receipts."""
        return next((each for each in self.open if (each.order_id, each.sequence) == (order_id, sequence)), None)

    @property
    def summary(self) -> str:
        return f"receipt {self.last_number}"
