"""Carries out staff's decisions on reviews, as decided in `reviews.py`."""

from dataclasses import dataclass

from chassis.decision import Applied, Refused
from chassis.messaging.envelope import Delivery
from chassis.storage.audit_log import AuditLog
from chassis.storage.write_path import Handled, WritePath
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus, ResolveReview
from extras_service.collections import ExtrasStore
from extras_service.order.decide import is_staffs
from extras_service.order.inputs import OrderInput, ReviewDecision
from extras_service.order.state import Order
from extras_service.stock.holds import StockKeeper
from extras_service.stock.inputs import demands


@dataclass(frozen=True, slots=True)
class ReviewKeeper:
    """Resolves reviews. The places of an accepted order may be gone since it was closed, so they are held first."""

    orders: WritePath[Order, OrderInput]
    collections: ExtrasStore
    stock: StockKeeper
    audit: AuditLog

    async def resolve(self, command: ResolveReview, delivery: Delivery) -> Handled[Order]:
        """Raises TransientError when the review was decided meanwhile and another one is open."""
        stored = await self.collections.orders.load(command.order_id)
        if (
            stored is None
            or stored.state.status is not OrderStatus.NEEDS_REVIEW
            or not is_staffs(stored.state, command.staff)
            or command.resolution is not ReviewResolution.ACCEPT
        ):
            return await self._decide(ReviewDecision(command), delivery)
        if not command.force:
            return await self._accept(stored.state, command, delivery)
        who = f"{command.staff.staff_id} ({command.staff.property_id})"
        async with self.audit.recorded("accept by force", who, command.reason, (command.order_id,)) as act:
            handled = await self._accept(stored.state, command, delivery)
            act.outcome = handled.outcome.detail if isinstance(handled.outcome, Refused) else handled.outcome.name
        return handled

    async def _accept(self, order: Order, command: ResolveReview, delivery: Delivery) -> Handled[Order]:
        owed = tuple(order.owed.values())
        catalogue = await self.collections.extras.get(line.extra_id for line in owed)
        needed = demands(owed, catalogue, max_held=1)  # the limit per guest does not bind staff
        no_places = await self.stock.reclaim(order, needed, delivery, beyond_limit=command.force)
        handled = await self._decide(ReviewDecision(command, order.reviews, no_places), delivery)
        if not isinstance(handled.outcome, Applied):
            await self.stock.release(order, delivery)  # unless the order is still under review
        return handled

    async def _decide(self, resolving: ReviewDecision, delivery: Delivery) -> Handled[Order]:
        return await self.orders.handle(resolving.command.order_id, resolving, delivery)
