"""The payment service's collections: payments, and the index from sessions of the PSP to payments."""

from pydantic import BaseModel

from chassis.storage.documents import Documents, DocumentStore, Records
from contracts.ids import OrderId, PaymentId
from payment_service.event_backfill import EventBackfill
from payment_service.payment.state import Payment


class SessionHolder(BaseModel):
    """The payment that a session of the PSP was opened for."""

    order_id: OrderId
    payment_id: PaymentId


class PaymentStore:
    def __init__(self, store: DocumentStore) -> None:
        self.payments: Documents[Payment] = store.documents("payments", Payment)
        self.sweeps: Documents[EventBackfill] = store.documents("psp_sweeps", EventBackfill)
        self.holders: Records[SessionHolder] = store.records("psp_session_holders", SessionHolder)
        """By the PSP's id of the session."""

    async def prepare(self) -> None:
        """Create the indexes."""
        await self.payments.prepare()
        await self.sweeps.prepare()
