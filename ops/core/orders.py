"""Searches orders by status, property and age, and those that wait for a person or for money."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from chassis.amounts import readable
from chassis.storage.documents import Documents
from chassis.storage.store import Store
from contracts.ids import OrderId
from contracts.orders import OrderStatus
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from ops.core import timespec
from ops.core.order_actions import sentences_of
from payment_service.collections import PaymentStore

MOST = 200
"""Maximum number of orders in one list."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter for orders. No status matches all. `refunding`: with a refund that failed or has not settled."""

    statuses: Sequence[OrderStatus] = ()
    property_id: str | None = None
    since: datetime | None = None
    refunding: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """Conditions on the order's state."""
        return {"guest.property_id": self.property_id} if self.property_id else {}

    def fits(self, order: Order) -> bool:
        """Whether an order that was found in another way matches."""
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
    """The matching orders: first those that wait, the longest first; then the others, the newest first."""
    orders = ExtrasStore(store).orders
    if wanted.refunding:
        waiting = await PaymentStore(store).payments.needing_attention(limit)
        loaded = [(since, await orders.load(payment.order_id)) for since, payment in waiting]
        unsettled = [(since, order.state) for since, order in loaded if order is not None]
        known = {order.order_id for _, order in unsettled}
        unsettled += [each for each in await _waiting(orders, wanted, limit) if _is_failed(each[1], known)]
        return _oldest_first([Found(order, since) for since, order in unsettled if wanted.fits(order)])[:limit]
    statuses = wanted.statuses or tuple(OrderStatus)
    found = _oldest_first([Found(order, since) for since, order in await _waiting(orders, wanted, limit)])
    found = [each for each in found if wanted.fits(each.order)]
    known = {each.order.order_id for each in found}
    others: list[Order] = []
    for status in statuses:  # one by one: the index leads to each, the newest first
        if status is not OrderStatus.NEEDS_REVIEW:
            newest = await orders.newest(limit, wanted.since, status=status, **wanted.fields)
            others += [order for order in newest if order.order_id not in known]
    others.sort(key=attrgetter("created_at"), reverse=True)
    return [*found, *map(Found, others)][:limit]


async def _waiting(orders: Documents[Order], wanted: Wanted, limit: int) -> list[tuple[datetime, Order]]:
    """Orders that wait for staff: under review, or with a refund that failed."""
    waiting: list[tuple[datetime, Order]] = []
    for status in wanted.statuses or tuple(OrderStatus):
        waiting += await orders.needing_attention(limit, status=status, **wanted.fields)
    return waiting


def _is_failed(order: Order, known: Container[OrderId]) -> bool:
    return order.order_id not in known and bool(order.troubled_refunds)


def _oldest_first(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda each: (each.waiting_since is None, each.waiting_since))


def why_of(order: Order) -> str:
    """The reason why an order waits for staff, for people; empty if it does not."""
    refunds = (
        f"a refund of {readable(refund.amount)} is {refund.stage}: {refund.detail}" for refund in order.troubled_refunds
    )
    return order.review or "; ".join(refunds)


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
        "why": why_of(order),
        "actions": list(sentences_of(order)),
        "refunds": [refund.model_dump(mode="json") for refund in order.staff_view().refunds or ()],
        "disputes": [dispute.model_dump(mode="json") for dispute in order.staff_view().disputes or ()],
    }


def wait_of(found: Found, now: datetime) -> str:
    """How long an order has waited, and for what, in at most 200 characters."""
    why = why_of(found.order)[:200]
    return f"{timespec.relative(found.waiting_since, now)}\n{why}" if found.waiting_since else why
