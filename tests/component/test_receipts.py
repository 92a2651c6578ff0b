"""Receipts are numbered once and without gaps: by several instances, through crashes, replays and restored stores."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

import pytest

from chassis.decision import StateT
from chassis.errors import TransientError
from chassis.messaging.envelope import Delivery, Envelope
from chassis.storage.stored_document import Stored
from contracts.ids import OrderId, PropertyId
from contracts.message import parse
from contracts.order_receipts import GetReceipts, Receipt, ReceiptIssued, ReceiptsReply
from contracts.orders import Refusal
from contracts.topology import EXTRAS_QUERIES
from extras_service.order.placement import Terms
from extras_service.order.state import Order
from extras_service.receipt.state import balance
from extras_service.wiring import ExtrasParts, wire
from tests.component.bench import Bench
from tests.support import orders as given
from tests.support.fake_store import FakeDocuments, FakeStore
from tests.support.receipts import eur, refund_made, taxed

ALPENHOF = PropertyId("alpenhof")
SEEDS = range(8)
T = TypeVar("T")


class CrashError(TransientError):
    """The process dies, or the store or broker is gone."""


@dataclass
class Weather:
    """How often something goes wrong."""

    chance: random.Random
    failing: float = 0.0

    async def through(self, call: Callable[[], Awaitable[T]]) -> T:
        """A call with other tasks in between, that may fail before it or after it has happened."""
        await self._pause()
        self._strike()
        result = await call()
        await self._pause()
        self._strike()
        return result

    async def _pause(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    def _strike(self) -> None:
        if self.chance.random() < self.failing:
            raise CrashError("down")


class RoughDocuments:
    """Documents of a store over a bad network."""

    def __init__(self, real: FakeDocuments[Any], weather: Weather) -> None:
        self._real, self._weather = real, weather

    async def load(self, document_id: str) -> Stored[Any] | None:
        return await self._weather.through(lambda: self._real.load(document_id))

    async def write(self, new: Stored[Any], *, now: datetime, due_at: datetime | None) -> bool:
        return await self._weather.through(lambda: self._real.write(new, now=now, due_at=due_at))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass
class RoughStore(FakeStore):
    weather: Weather

    def __post_init__(self) -> None:
        super().__init__()

    def documents(self, name: str, state_type: type[StateT], indexed: tuple[str, ...] = ()) -> FakeDocuments[StateT]:
        real: FakeDocuments[StateT] = super().documents(name, state_type, indexed)
        return cast("FakeDocuments[StateT]", RoughDocuments(real, self.weather))


@dataclass
class World:
    """Instances of the service on one store, and what they have published."""

    store: FakeStore
    weather: Weather
    published: list[Envelope] = field(default_factory=list)
    deliveries: int = 0

    async def publish(self, envelope: Envelope) -> None:
        async def kept() -> None:
            self.published.append(envelope)

        await self.weather.through(kept)

    def instance(self) -> ExtrasParts:
        return wire(self, cast(Any, self.store), lambda: given.NOW, Terms())

    def delivery(self) -> Delivery:
        self.deliveries += 1
        return Delivery(message_id=f"m-{self.deliveries}", correlation_id="c-1", kind="test")

    async def put(self, order: Order) -> None:
        documents = FakeStore.documents(self.store, "orders", Order)
        stored = await documents.load(order.order_id)
        new = Stored(id=order.order_id, version=stored.version + 1 if stored else 1, state=order)
        assert await documents.write(new, now=given.NOW, due_at=None)

    async def until_done(self, parts: ExtrasParts, order: Order) -> None:
        """As a consumer does: a delivery that failed comes again, to any instance."""
        for _ in range(1000):
            try:
                await parts.receipt_keeper.catch_up(order, self.delivery())
                return
            except TransientError:
                parts = self.instance() if self.weather.chance.random() < 0.5 else parts
        raise AssertionError("never done")

    def receipts(self) -> list[Receipt]:
        raw = self.store.of["receipts"].raw.values()
        return sorted(
            (Receipt.model_validate(each) for document in raw for each in document["state"]["receipts"]),
            key=lambda receipt: receipt.number,
        )


def world_of(seed: int, failing: float = 0.0) -> World:
    weather = Weather(random.Random(seed), failing)  # noqa: S311  a seeded choice
    return World(RoughStore(weather), weather)


def paid(number: int) -> Order:
    return taxed(given.confirmed()).model_copy(update={"order_id": OrderId(f"ord_{number}")})


def refunded(order: Order) -> Order:
    asked = given.after(order, given.refunding(1200))
    return given.after(asked, refund_made(1200))


@pytest.mark.parametrize("seed", SEEDS)
async def test_numbers_have_no_gap_and_no_double_with_crashing_instances(seed: int) -> None:
    world = world_of(seed, failing=0.03)
    orders = [paid(number) for number in range(16)]
    for order in orders:
        await world.put(order)
    instances = [world.instance(), world.instance()]

    # Every order's event is delivered twice, at once, to both; some orders are refunded meanwhile.
    async def lives(order: Order) -> None:
        await asyncio.gather(*(world.until_done(parts, order) for parts in instances))
        if world.weather.chance.random() < 0.4:
            changed = refunded(order)
            await world.put(changed)
            await asyncio.gather(*(world.until_done(parts, changed) for parts in instances))

    await asyncio.gather(*(lives(order) for order in orders))

    receipts = world.receipts()
    assert [receipt.number for receipt in receipts] == list(range(1, len(receipts) + 1))
    for order in orders:
        stored = await FakeStore.documents(world.store, "orders", Order).load(order.order_id)
        assert stored is not None
        own = [receipt for receipt in receipts if receipt.order_id == order.order_id]
        expected = ["payment", "refund"] if stored.state.refunds else ["payment"]
        assert [receipt.receipt_kind.value for receipt in own] == expected
        assert [receipt.sequence for receipt in own] == list(range(1, len(own) + 1))
        assert balance(own, "EUR") == order.total - (stored.state.refunded or eur(0))


@pytest.mark.parametrize("seed", range(5))
async def test_what_left_for_the_bus_says_the_same_as_what_is_filed(seed: int) -> None:
    world = world_of(seed)
    for number in range(20):
        await world.put(paid(number))
    parts = world.instance()

    await asyncio.gather(*(world.until_done(parts, paid(number)) for number in range(20)))

    issued = [parse(each.message.kind, each.message.to_wire()) for each in world.published]
    assert sorted(each.receipt.number for each in issued if isinstance(each, ReceiptIssued)) == list(range(1, 21))
    assert sorted((e.receipt for e in issued if isinstance(e, ReceiptIssued)), key=_number) == world.receipts()


async def test_the_register_does_not_grow_with_the_number_of_receipts() -> None:
    world = world_of(1)
    parts, sizes = world.instance(), list[int]()
    for number in range(300):
        await world.put(paid(number))
        await world.until_done(parts, paid(number))
        sizes.append(len(world.store.of["receipt_registers"].raw[ALPENHOF]["state"]["open"]))

    assert world.receipts()[-1].number == 300
    assert max(sizes) < 12


async def test_a_repeated_event_takes_no_second_number_long_after() -> None:
    world = world_of(2)
    parts = world.instance()
    for number in range(60):
        await world.put(paid(number))
        await world.until_done(parts, paid(number))

    for other in (parts, world.instance()):
        for number in range(60):
            await world.until_done(other, paid(number))

    assert len(world.receipts()) == 60


async def test_restored_orders_keep_the_numbers_of_their_receipts() -> None:
    """As docs/operations.md says it: receipts and registers are not restored with the orders."""
    world = world_of(3)
    parts = world.instance()
    backup = {}
    for number in range(10):
        await world.put(paid(number))
        if number == 4:
            backup = dict(world.store.of["orders"].raw)
        await world.until_done(parts, paid(number))
    before = world.receipts()

    world.store.of["orders"].raw = backup
    for number in range(10):
        await world.put(paid(number))  # the replay of the log
        await world.until_done(world.instance(), paid(number))

    assert world.receipts() == before


async def test_lost_receipts_and_registers_come_back_from_the_log() -> None:
    world = world_of(4)
    parts = world.instance()
    for number in range(50):
        await world.put(paid(number))
        await world.until_done(parts, paid(number))
    before = world.receipts()
    log = [each.message for each in world.published if isinstance(each.message, ReceiptIssued)]

    for name in ("receipts", "receipt_registers"):
        world.store.of[name].raw = {}
    again = world.instance()
    for event in log:
        await again.receipt_handlers.receipt_issued(event, world.delivery())
    for number in range(51):
        await world.put(paid(number))
        await world.until_done(again, paid(number))

    assert world.receipts()[:50] == before
    assert [receipt.number for receipt in world.receipts()] == list(range(1, 52))


async def test_a_receipt_is_issued_when_it_is_asked_for_if_an_older_version_confirmed_the_order() -> None:
    bench, store = Bench("extras-service"), FakeStore()
    parts = wire(bench.bus, store, lambda: given.NOW, Terms())
    for queue, handlers in parts.tables.items():
        bench.consume(queue, handlers)
    order = taxed(given.confirmed())
    await World(store, Weather(random.Random(0))).put(order)  # noqa: S311  a seeded choice
    query = GetReceipts(order_id=order.order_id, guest_id=order.guest.guest_id, property_id=ALPENHOF)

    async with bench.running():
        await bench.deliver(EXTRAS_QUERIES, query)
        await bench.deliver(EXTRAS_QUERIES, query, message_id="m-2")
        await bench.deliver(EXTRAS_QUERIES, query.model_copy(update={"guest_id": "guest-mallory"}), message_id="m-3")

    issued, *replies = bench.sent
    assert isinstance(issued, ReceiptIssued)
    first, second, refused = replies
    assert isinstance(first, ReceiptsReply)
    assert first == second
    assert first.receipts == (issued.receipt,)
    assert first.order.refunds is None
    assert isinstance(refused, Refusal)


def _number(receipt: Receipt) -> int:
    return receipt.number
