"""The ledger of erasures: what must be erased again after a restore."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from contracts.erasure import EraseOrder
from contracts.ids import OrderId, PropertyId


class ErasedOrder(BaseModel):
    """An order that was asked to forget its guest. Nothing leads from it to the guest."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    property_id: PropertyId
    pseudonym: str
    asked_at: datetime

    @property
    def command(self) -> EraseOrder:
        return EraseOrder(order_id=self.order_id, property_id=self.property_id, pseudonym=self.pseudonym)
