"""Placing an order for the last place, with an outage or a rival in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chassis.decision import Applied, Duplicate, Refused
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from contracts.ids import OrderId
from contracts.offers import Slot
from contracts.orders import OrderExpired, OrderStatus, PaymentStatus, PlaceOrder, Reason
from extras_service.order.inputs import PaymentStart
from extras_service.order.placement import Terms
from extras_service.order.state import HoldsStage, Order
from extras_service.stock.state import stock_id
from extras_service.wiring import ExtrasParts, wire
from tests.support import orders as given
from tests.support.fake_store import FakeDocuments, FakeStore

MASSAGE = given.offered("alm-massage", name="Massage", max_quantity=2).model_copy(update={"daily_limit": 2})
WHOLE_DAY = given.line(MASSAGE.extra_id, 2)


def ordering(guest_id: str = "guest-anna", *, key: str = "a") -> PlaceOrder:
    return PlaceOrder(order_id=OrderId(f"ord_{key}"), guest=given.guest(guest_id), lines=(WHOLE_DAY,))


class Hotel:
    """The extras service's placing, a clock that can be set forward, and everything it publishes."""

    def __init__(self, *, max_open_orders: int = 10, max_held_per_guest: int = 2) -> None:
        self.now = given.NOW
        self.published: list[Envelope] = []
        self.before_next_order: Callable[[], Awaitable[object]] | None = None
        self.fake = FakeStore()
        self.terms = Terms(given.PAY_WITHIN, max_open_orders=max_open_orders, max_held_per_guest=max_held_per_guest)
        parts = self.instance()
        self.store, self.stock, self.placement = parts.collections, parts.handlers.stock, parts.handlers.placement
        self.orders: FakeDocuments[Order] = self.fake.of["orders"]
        self._deliveries = 0
        self._write = self.orders.write
        self.orders.write = self._write_after_what_comes_before

    def instance(self) -> ExtrasParts:
        """An instance of the service: it shares nothing with others but the store."""
        return wire(self, self.fake, lambda: self.now, self.terms)

    async def opened(self) -> "Hotel":
        await self.store.extras.put({item.extra_id: item for item in (MASSAGE, given.offered())})
        return self

    async def publish(self, envelope: Envelope) -> None:
        self.published.append(envelope)

    async def place(self, command: PlaceOrder) -> object:
        return (await self.placement.place(command, self.delivery())).outcome

    def delivery(self) -> Delivery:
        self._deliveries += 1
        return Delivery(f"m-{self._deliveries}", "c", "test")

    async def order(self, key: str = "a") -> Order:
        stored = await self.store.orders.load(f"ord_{key}")
        assert stored is not None
        return stored.state

    async def held(self) -> dict[str, int]:
        day = await self.store.stock.load(stock_id(MASSAGE.extra_id, given.FIRST_DAY))
        return {hold.order_id: hold.quantity for hold in day.state.holds} if day else {}

    async def _write_after_what_comes_before(
        self, new: Stored[Order], *, now: datetime, due_at: datetime | None
    ) -> bool:
        before, self.before_next_order = self.before_next_order, None
        if before is not None:
            await before()
        written: bool = await self._write(new, now=now, due_at=due_at)
        return written


@pytest.fixture
async def hotel() -> Hotel:
    return await Hotel().opened()


async def test_an_order_held_up_longer_than_it_may_wait_for_payment_is_not_sold_places_that_others_have(
    hotel: Hotel,
) -> None:
    async def outage() -> None:
        hotel.now += given.PAY_WITHIN + timedelta(minutes=2)
        await hotel.stock.sweep()
        assert isinstance(await hotel.place(ordering("guest-bert", key="b")), Applied)

    hotel.before_next_order = outage

    refused = await hotel.place(ordering())

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_STOCK
    late = await hotel.order()
    assert (late.status, late.payment_status, late.holds) == (
        OrderStatus.EXPIRED,
        PaymentStatus.UNPAID,
        HoldsStage.LOST,
    )
    assert await hotel.held() == {"ord_b": 2}
    assert [e.message.order_id for e in hotel.published if isinstance(e.message, OrderExpired)] == ["ord_a"]


async def test_an_order_held_up_that_long_holds_its_places_again_when_they_are_still_free(hotel: Hotel) -> None:
    async def outage() -> None:
        hotel.now += given.PAY_WITHIN + timedelta(minutes=2)
        await hotel.stock.sweep()

    hotel.before_next_order = outage

    assert isinstance(await hotel.place(ordering()), Applied)

    assert (await hotel.order()).holds is HoldsStage.CONFIRMED
    assert await hotel.held() == {"ord_a": 2}


async def test_a_repeat_of_an_order_that_lost_its_places_is_refused_again(hotel: Hotel) -> None:
    await test_an_order_held_up_longer_than_it_may_wait_for_payment_is_not_sold_places_that_others_have(hotel)

    again = await hotel.place(ordering())

    assert isinstance(again, Refused)
    assert again.reason == Reason.OUT_OF_STOCK


async def test_a_crash_before_the_places_were_confirmed_is_made_good_by_the_next_process(hotel: Hotel) -> None:
    class CrashError(Exception):
        pass

    async def crash(*_: object, **__: object) -> None:
        raise CrashError

    confirm = hotel.placement.confirm
    hotel.placement.confirm = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(CrashError):
        await hotel.place(ordering())
    hotel.placement.confirm = confirm  # type: ignore[method-assign]
    assert (await hotel.order()).holds is HoldsStage.UNCONFIRMED

    start = given.starting().command.model_copy(update={"order_id": OrderId("ord_a")})
    started = await hotel.placement.start_payment(PaymentStart(start, None), hotel.delivery())

    assert isinstance(started.outcome, Applied)
    assert (await hotel.order()).holds is HoldsStage.CONFIRMED
    assert isinstance(await hotel.place(ordering()), Duplicate)


async def test_a_guest_with_too_many_unpaid_orders_is_refused_and_holds_nothing_more() -> None:
    hotel = await Hotel(max_open_orders=2).opened()
    for key in ("1", "2"):
        breakfast = ordering(key=key).model_copy(update={"lines": (given.line(),)})
        assert isinstance(await hotel.place(breakfast), Applied)

    refused = await hotel.place(ordering(key="3"))

    assert isinstance(refused, Refused)
    assert refused.reason == Reason.TOO_MANY_OPEN_ORDERS
    assert await hotel.held() == {}
    assert isinstance(await hotel.place(ordering("guest-bert", key="4")), Applied)


async def test_a_repeat_of_an_order_is_answered_although_no_new_one_would_be_taken() -> None:
    hotel = await Hotel(max_open_orders=1).opened()
    await hotel.place(ordering())

    assert isinstance(await hotel.place(ordering()), Duplicate)


async def test_orders_placed_at_once_are_counted_one_after_the_other() -> None:
    hotel = await Hotel(max_open_orders=2).opened()
    breakfasts = [ordering(key=f"{n}").model_copy(update={"lines": (given.line(),)}) for n in range(4)]

    outcomes = await asyncio.gather(*(hotel.place(breakfast) for breakfast in breakfasts))

    assert [type(outcome) for outcome in outcomes] == [Applied, Applied, Refused, Refused]


async def test_two_slots_of_a_day_are_sold_apart_and_a_cancelled_one_is_free_again(hotel: Hotel) -> None:
    slots = (Slot(at="10:00", places=1), Slot(at="15:00", places=1))
    await hotel.store.extras.put({"alm-spa": given.offered("alm-spa", name="Spa").model_copy(update={"slots": slots})})

    def at(slot: str, guest_id: str, key: str) -> PlaceOrder:
        line = given.line("alm-spa", 1).model_copy(update={"slot": slot})
        return PlaceOrder(order_id=OrderId(f"ord_{key}"), guest=given.guest(guest_id), lines=(line,))

    assert isinstance(await hotel.place(at("15:00", "guest-anna", "a")), Applied)
    assert isinstance(await hotel.place(at("10:00", "guest-bert", "b")), Applied)
    refused = await hotel.place(at("15:00", "guest-cleo", "c"))
    assert isinstance(refused, Refused)
    assert refused.reason == Reason.OUT_OF_STOCK
    assert refused.detail.startswith("Spa on 2026-07-03 at 15:00: sold out.")

    closed = (await hotel.order()).model_copy(update={"status": OrderStatus.CANCELLED})
    stored = await hotel.store.orders.load("ord_a")
    assert stored is not None
    await hotel.store.orders.write(
        replace(stored, state=closed, version=stored.version + 1), now=hotel.now, due_at=None
    )
    await hotel.stock.release(closed, hotel.delivery())

    assert isinstance(await hotel.place(at("15:00", "guest-dora", "d")), Applied)
