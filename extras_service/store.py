"""What the extras service keeps: orders and the catalogue."""

from chassis.store import Documents, Records, Store
from extras_service.catalogue import Extra
from extras_service.order import Order


class ExtrasStore:
    def __init__(self, store: Store) -> None:
        self.orders: Documents[Order] = store.documents("orders", Order, indexed=("guest_key",))
        self.extras: Records[Extra] = store.records("extras", Extra)
