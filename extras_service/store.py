"""What the extras service keeps: orders and the catalogue."""

from chassis.store import Documents, Records, Store
from extras_service.catalogue import Extra
from extras_service.order import Order
from extras_service.stock import StockDay


class ExtrasStore:
    def __init__(self, store: Store) -> None:
        self.orders: Documents[Order] = store.documents("orders", Order, indexed=("guest_key",))
        self.stock: Documents[StockDay] = store.documents("stock", StockDay)
        self.extras: Records[Extra] = store.records("extras", Extra)
