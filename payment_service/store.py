"""What the payment service keeps: payments."""

from chassis.store import Documents, Store
from payment_service.payment import Payment
from payment_service.sweep import EventSweep


class PaymentStore:
    def __init__(self, store: Store) -> None:
        self.payments: Documents[Payment] = store.documents("payments", Payment)
        self.sweeps: Documents[EventSweep] = store.documents("psp_sweeps", EventSweep)
