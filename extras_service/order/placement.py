"""Places an order that may need places of limited extras: hold, place, confirm.

1. The places are held. 2. The order is placed. 3. The places are held again, which confirms them; only now may the
order be paid. A store that was frozen or down in between, or another failed delivery of the same command, may have
released the holds before step 2: step 3 detects that, and the order expires. From step 3 on a hold is released only
when its order closes: before a lapsed hold is released its order is read, after the hold itself, and a confirmed hold
has an order. Decision 23.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from chassis.decision import Applied, Refused
from chassis.messaging.envelope import Delivery
from chassis.storage.write_path import Handled, WritePath
from contracts.ids import OrderId
from contracts.orders import OrderStatus, PlaceOrder
from contracts.psp_accounts import DEFAULT_ACCOUNT
from extras_service.catalogue.quote import quote
from extras_service.collections import ExtrasStore
from extras_service.order.inputs import (
    HoldsConfirmed,
    HoldsLost,
    HoldsUnconfirmedError,
    OrderInput,
    PaymentStart,
    PlacementRequest,
)
from extras_service.order.state import HoldsStage, Order, digest_of, guest_key
from extras_service.stock.holds import StockKeeper
from extras_service.stock.inputs import Demand, demands
from extras_service.stock.state import Holder


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits and deadlines of orders, where their property has none of its own."""

    pay_within: timedelta = timedelta(minutes=30)
    cancel_until: timedelta = timedelta(hours=24)
    max_open_orders: int = 10
    """Orders that one guest may have open and unpaid."""
    max_held_per_guest: int = 4
    """Places of one limited extra and day that one guest's orders may hold, paid or not."""


class Placement:
    """The steps from PlaceOrder to an order that may be paid."""

    def __init__(
        self, orders: WritePath[Order, OrderInput], collections: ExtrasStore, stock: StockKeeper, terms: Terms
    ) -> None:
        self._orders = orders
        self._collections = collections
        self._stock = stock
        self._terms = terms
        self._placed_now: dict[str, list[OrderId]] = {}

    async def place(self, command: PlaceOrder, delivery: Delivery) -> Handled[Order]:
        """Place an order, or refuse it. Raises TransientError; when retried it continues where it stopped."""
        guest = guest_key(command.guest.guest_id, command.guest.property_id)
        with self._in_flight(guest, command.order_id) as earlier:
            placing = await self._placing(command, guest, earlier)
            needed = self._demands_of(placing)
            if not needed:
                return await self._orders.handle(command.order_id, placing, delivery, likely_new=True)
            holder = Holder(command.order_id, digest_of(command.lines), guest)
            return await self._place_limited(placing, holder, needed, delivery)

    async def confirm(self, order: Order, delivery: Delivery) -> Handled[Order]:
        """Hold what a placed order needs, before it may be paid. Refused: others have it; the order expired."""
        catalogue = await self._collections.extras.get(line.extra_id for line in order.lines)
        needed = demands(order.lines, catalogue, self._terms.max_held_per_guest)
        refused = await self._stock.hold(Holder.of(order), needed, delivery, pay_within=order.pay_within, confirms=True)
        lost_or_not = HoldsLost() if refused else HoldsConfirmed()
        handled = await self._orders.handle(order.order_id, lost_or_not, delivery.step("holds"))
        if not isinstance(handled.outcome, Applied):
            await self._stock.lapse(Holder.of(order), needed, delivery)  # confirmed before, or closed meanwhile
        return Handled(refused, handled.state) if refused else handled

    async def start_payment(self, starting: PaymentStart, delivery: Delivery) -> Handled[Order]:
        """Start a payment; an order whose places were never confirmed (a crash was between) confirms them first."""
        order_id = starting.command.order_id
        try:
            return await self._orders.handle(order_id, starting, delivery)
        except HoldsUnconfirmedError:
            stored = await self._collections.orders.load(order_id)
            if stored is not None and _awaits_confirmation(stored.state):
                await self.confirm(stored.state, delivery)
            return await self._orders.handle(order_id, starting, delivery)

    @contextmanager
    def _in_flight(self, guest: str, order_id: OrderId) -> Iterator[frozenset[str]]:
        """The guest's orders that this process has begun to place and not finished: they count as open."""
        mine = self._placed_now.setdefault(guest, [])
        earlier = frozenset(mine)
        mine.append(order_id)
        try:
            yield earlier
        finally:
            mine.remove(order_id)
            if not mine:
                del self._placed_now[guest]

    async def _placing(self, command: PlaceOrder, guest: str, earlier: frozenset[str]) -> PlacementRequest:
        terms = self._terms
        hotel = await self._collections.property_of(command.guest.property_id)
        catalogue = await self._collections.extras.get((line.extra_id for line in command.lines), hotel)
        pay_within = hotel.definition.pay_within if hotel else None
        cancel_until = hotel.definition.cancel_until if hotel else None
        stored = await self._collections.orders.ids_of(terms.max_open_orders + 1, open_of=guest)
        open_orders = len({*stored, *earlier} - {command.order_id})
        quoted = quote(command.guest, command.lines, catalogue)
        return PlacementRequest(
            command,
            quoted,
            catalogue,
            terms.pay_within if pay_within is None else pay_within,
            terms.cancel_until if cancel_until is None else cancel_until,
            open_orders,
            terms.max_open_orders,
            psp_account=hotel.definition.psp_account if hotel else DEFAULT_ACCOUNT,
        )

    def _demands_of(self, placing: PlacementRequest) -> tuple[Demand, ...]:
        if isinstance(placing.quoted, Refused):
            return ()  # the decision on the order gives the refusal
        return demands(placing.quoted.lines, placing.catalogue, self._terms.max_held_per_guest)

    async def _place_limited(
        self, placing: PlacementRequest, holder: Holder, needed: tuple[Demand, ...], delivery: Delivery
    ) -> Handled[Order]:
        placing = replace(placing, needs_holds=True)
        stored = await self._collections.orders.load(holder.order_id)
        if stored is None and placing.open_orders < placing.max_open_orders:
            refused = await self._stock.hold(holder, needed, delivery, pay_within=placing.pay_within)
            if refused is not None:
                return Handled(refused, None)
        handled = await self._orders.handle(holder.order_id, placing, delivery, likely_new=stored is None)
        order = handled.state
        relies = order is not None and order.lines_digest == holder.lines_digest
        if order is not None and relies and _awaits_confirmation(order):
            confirmed = await self.confirm(order, delivery)
            return confirmed if isinstance(confirmed.outcome, Refused) else Handled(handled.outcome, confirmed.state)
        if stored is None:
            await self._stock.lapse(holder, needed, delivery)
        return handled


def _awaits_confirmation(order: Order) -> bool:
    return order.status is OrderStatus.PENDING_PAYMENT and order.holds is HoldsStage.UNCONFIRMED
