"""Orders that are erased by their age, and again after a restore, on the wired service without servers."""

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from contracts.erasure import OrderErased
from contracts.ids import OrderId
from extras_service.order.erasure_ledger import ErasedOrder
from extras_service.order.placement import Terms
from extras_service.order.state import Order
from extras_service.stock.state import Hold, StockDay, stock_id
from extras_service.wiring import ExtrasParts, wire
from tests.support import orders as given
from tests.support.fake_store import FakeDocuments, FakeStore

DEPARTED = datetime(2026, 7, 6, tzinfo=UTC)
"""The day on which every guest of these tests leaves."""
KEPT = timedelta(days=30)


@dataclass
class Hotel:
    """The service at a time, with orders."""

    now: datetime = DEPARTED
    erase_after: timedelta | None = KEPT
    store: FakeStore = field(default_factory=FakeStore)
    sent: list[Envelope] = field(default_factory=list)
    parts: ExtrasParts = field(init=False)

    def __post_init__(self) -> None:
        self.parts = wire(self, self.store, lambda: self.now, Terms(), erase_after=self.erase_after)

    async def publish(self, envelope: Envelope) -> None:
        self.sent.append(envelope)

    async def has(self, name: str, order: Order) -> OrderId:
        order_id = OrderId("ord_" + name * 26)
        own = order.model_copy(update={"order_id": order_id})
        await self.parts.collections.orders.write(Stored(order_id, 1, own), now=self.now, due_at=None)
        return order_id

    async def order(self, order_id: OrderId) -> Order:
        stored = await self.parts.collections.orders.load(order_id)
        assert stored is not None
        return stored.state

    @property
    def orders(self) -> FakeDocuments[Any]:
        documents: FakeDocuments[Any] = self.store.of["orders"]
        return documents


async def test_orders_forget_their_guests_when_these_left_long_enough_ago() -> None:
    hotel = Hotel()
    final, unsettled = await hotel.has("a", given.fulfilled()), await hotel.has("b", given.needs_review())

    assert await hotel.parts.erasures.sweep_old() == 0
    hotel.now = DEPARTED + KEPT + timedelta(days=1)
    swept = [await hotel.parts.erasures.sweep_old() for _ in range(3)]

    assert swept == [2, 0, 0]
    assert (await hotel.order(final)).erased_at == hotel.now
    marked = await hotel.order(unsettled)
    assert (marked.erased_at, marked.erasure is None) == (None, False)
    assert [envelope.kind for envelope in hotel.sent] == ["orders.order-erased.v1", "payments.erase-payment.v1"]


async def test_without_the_setting_nothing_is_erased_by_age() -> None:
    hotel = Hotel(now=DEPARTED + 100 * KEPT, erase_after=None)
    order_id = await hotel.has("a", given.fulfilled())

    assert await hotel.parts.erasures.sweep_old() == 0
    assert (await hotel.order(order_id)).erasure is None


async def test_an_order_of_an_earlier_version_is_found_as_well() -> None:
    hotel = Hotel()
    order_id = await hotel.has("a", given.fulfilled())
    for raw in hotel.orders.raw.values():
        del raw["state"]["erasure"], raw["state"]["erased_at"]
    hotel.now = DEPARTED + KEPT + timedelta(days=1)

    assert await hotel.parts.erasures.sweep_old() == 1
    assert (await hotel.order(order_id)).erased_at is not None


async def test_a_restored_order_is_erased_again_by_the_list() -> None:
    hotel = Hotel(erase_after=None)
    order_id = await hotel.has("q", given.fulfilled())
    backup = copy.deepcopy(hotel.orders.raw)
    entry = ErasedOrder(
        order_id=order_id, property_id=given.guest().property_id, pseudonym=given.PSEUDONYM, asked_at=DEPARTED
    )
    await hotel.parts.collections.erasures.put({order_id: entry})
    first = sum([await hotel.parts.erasures.sweep_ledger() for _ in range(32)])

    hotel.orders.raw = backup
    hotel.parts = wire(hotel, hotel.store, lambda: hotel.now, Terms())
    again = sum([await hotel.parts.erasures.sweep_ledger() for _ in range(64)])

    assert (first, again) == (1, 1)
    assert (await hotel.order(order_id)).guest.guest_id == given.PSEUDONYM


async def test_its_places_stay_held_under_the_pseudonym() -> None:
    hotel = Hotel()
    order_id = await hotel.has("a", given.after(given.fulfilled(), given.erasing()))
    order = await hotel.order(order_id)
    [line] = order.lines
    assert line.day is not None
    place = stock_id(line.extra_id, line.day)
    holds = tuple(
        Hold(order_id=each, quantity=1, until=None, guest_key="alpenhof/guest-anna") for each in (order_id, "ord_other")
    )
    day = StockDay(extra_id=line.extra_id, day=line.day, holds=holds)
    await hotel.parts.collections.stock.write(Stored(place, 1, day), now=hotel.now, due_at=None)

    event = OrderErased(**order.about)
    await hotel.parts.handlers.rename_holder(event, Delivery("m-1", "c-1", event.kind))

    stored = await hotel.parts.collections.stock.load(place)
    assert stored is not None
    assert [hold.guest_key for hold in stored.state.holds] == [order.guest_key, "alpenhof/guest-anna"]
    assert stored.state.taken == 2
