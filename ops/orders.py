"""Orders as operators look for them: by status, property and age, and those that wait for a person or for money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from chassis.store import Store
from contracts.orders import OrderStatus
from extras_service.order import Order
from extras_service.store import ExtrasStore
from payment_service.store import PaymentStore

MOST = 200
"""Orders that one look lists at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders. Without a status: every one. `refunding`: those with a refund that has not settled."""

    statuses: Sequence[OrderStatus] = ()
    property_id: str | None = None
    since: datetime | None = None
    refunding: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """Conditions on the order's state."""
        return {"guest.property_id": self.property_id} if self.property_id else {}

    def fits(self, order: Order) -> bool:
        """Whether an order that was found another way is wanted."""
        return (
            (not self.statuses or order.status in self.statuses)
            and (self.property_id is None or order.guest.property_id == self.property_id)
            and (self.since is None or order.created_at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """An order, and since when it or its refund has waited (None: it does not)."""

    order: Order
    waiting_since: datetime | None = None


async def find(store: Store, wanted: Wanted, limit: int = MOST) -> list[Found]:
    """What is wanted: first what waits, the longest first; then the others, the newest first."""
    orders = ExtrasStore(store).orders
    if wanted.refunding:
        waiting = await PaymentStore(store).payments.needing_attention(limit)
        loaded = [(since, await orders.load(payment.order_id)) for since, payment in waiting]
        return [Found(order.state, since) for since, order in loaded if order is not None and wanted.fits(order.state)]
    statuses = wanted.statuses or tuple(OrderStatus)
    found: list[Found] = []
    if OrderStatus.NEEDS_REVIEW in statuses:
        reviews = await orders.needing_attention(limit, status=OrderStatus.NEEDS_REVIEW, **wanted.fields)
        found = [Found(order, since) for since, order in reviews if wanted.fits(order)]
    others: list[Order] = []
    for status in statuses:  # one by one: the index leads to each, the newest first
        if status is not OrderStatus.NEEDS_REVIEW:
            others += await orders.find(limit, since=wanted.since, status=status, **wanted.fields)
    others.sort(key=attrgetter("created_at"), reverse=True)
    return [*found, *map(Found, others)][:limit]


def as_json(found: Found) -> dict[str, object]:
    """One order for programs and the page."""
    order = found.order
    return {
        "order_id": order.order_id,
        "property_id": order.guest.property_id,
        "reservation_id": order.guest.reservation_id,
        "guest_id": order.guest.guest_id,
        "status": order.status,
        "payment_status": order.payment_status,
        "total": order.total.model_dump(mode="json"),
        "created_at": order.created_at.isoformat(),
        "waiting_since": found.waiting_since.isoformat() if found.waiting_since else None,
        "review": order.review,
    }
