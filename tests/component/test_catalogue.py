"""Staff change the catalogue and their property over the bus; guests order by what it is then."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.catalogue import (
    CatalogueReply,
    ChangeExtra,
    CheckExtra,
    DefineExtra,
    ExtraChanged,
    ExtraDefined,
    ExtraMoved,
    ExtraReply,
    ListCatalogue,
    MistakesReply,
    ReorderExtras,
    RetireExtra,
)
from contracts.ids import ExtraId, OrderId, PropertyId
from contracts.message import Message
from contracts.money import Money
from contracts.orders import ExtrasReply, ListExtras, OrderReply, PlaceOrder, Reason, Refusal
from contracts.properties import ChangeProperty, CheckProperty, DefineProperty, GetProperty, PropertyReply
from contracts.topology import EXTRAS_COMMANDS, EXTRAS_QUERIES, Queue
from extras_service.catalogue.file import read_file
from extras_service.catalogue.seed import seed
from extras_service.order.placement import Terms
from extras_service.stock.decide import LAPSE_MARGIN
from extras_service.stock.state import stock_id
from extras_service.wiring import ExtrasParts, wire
from tests.component.bench import REPLY_TO, Bench
from tests.support import orders as given
from tests.support.fake_store import FakeStore
from tests.unit.extras_service.test_catalogue_every_pair import BROKEN, DEARER, DEFINITION, HOTEL, SPA

ALPENHOF = PropertyId("alpenhof")
SHIPPED = Path("deploy/local/catalogue.yaml")


@dataclass
class Service:
    bench: Bench
    parts: ExtrasParts
    arrived: int = 0

    async def takes(self, message: Message, queue: Queue = EXTRAS_COMMANDS) -> list[Message]:
        """What leaves because of a message; each has an id of its own."""
        before = len(self.bench.published)
        self.arrived += 1
        await self.bench.deliver(queue, message, message_id=f"m-{self.arrived}", reply_to=REPLY_TO)
        return self.bench.sent[before:]

    async def asked(self, message: Message) -> Message:
        [reply] = await self.takes(message, EXTRAS_QUERIES)
        return reply

    async def offered(self) -> list[str]:
        reply = await self.asked(ListExtras(property_id=ALPENHOF))
        assert isinstance(reply, ExtrasReply)
        return [str(extra.extra_id) for extra in reply.extras]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    bench = Bench("extras-service")
    parts = wire(bench.bus, FakeStore(), lambda: given.NOW, Terms(given.PAY_WITHIN))
    for queue, table in parts.tables.items():
        bench.consume(queue, table)
    async with bench.running():
        yield Service(bench, parts)


STAFF = given.staff()
DEFINE_HOTEL = DefineProperty(property_id=ALPENHOF, staff=STAFF, definition=HOTEL)
DEFINE = DefineExtra(extra_id=SPA, staff=STAFF, definition=DEFINITION)
CHANGE = ChangeExtra(extra_id=SPA, staff=STAFF, version=1, definition=DEARER, reason="the new price list")


def _order(slot: str = "15:00", key: str = "a") -> PlaceOrder:
    line = given.line(SPA, 1).model_copy(update={"slot": slot})
    return PlaceOrder(order_id=OrderId(f"ord_{key}"), guest=given.guest(), lines=(line,))


async def test_an_order_keeps_the_version_and_the_price_of_its_day(service: Service) -> None:
    await service.takes(DEFINE_HOTEL)
    event, reply = await service.takes(DEFINE)
    assert isinstance(event, ExtraDefined)
    assert isinstance(reply, ExtraReply)

    _, before = await service.takes(_order())
    changed, _ = await service.takes(CHANGE)
    _, after = await service.takes(_order(key="b"))

    assert isinstance(changed, ExtraChanged)
    assert isinstance(before, OrderReply)
    assert isinstance(after, OrderReply)
    assert [(line.extra_version, line.unit_price.amount) for line in before.order.lines] == [(1, 4500)]
    assert [(line.extra_version, line.unit_price.amount) for line in after.order.lines] == [(2, 5000)]


async def test_a_change_of_an_older_version_and_one_with_mistakes_are_refused_and_change_nothing(
    service: Service,
) -> None:
    await service.takes(DEFINE_HOTEL)
    await service.takes(DEFINE)
    await service.takes(CHANGE)

    [late] = await service.takes(CHANGE.model_copy(update={"definition": BROKEN}))
    [broken] = await service.takes(CHANGE.model_copy(update={"definition": BROKEN, "version": 2}))

    assert isinstance(late, Refusal)
    assert late.reason is Reason.VERSION_OUTDATED
    assert isinstance(broken, Refusal)
    assert [mistake.pointer for mistake in broken.mistakes] == ["/name", "/max_quantity"]
    listed = await service.asked(ListCatalogue(property_id=ALPENHOF))
    assert isinstance(listed, CatalogueReply)
    [extra] = listed.extras
    assert (extra.version, extra.definition) == (2, DEARER)
    assert [(version.by, version.reason) for version in extra.versions] == [
        ("reception", ""),
        ("reception", "the new price list"),
    ]


async def test_a_retired_extra_is_no_longer_offered_and_its_orders_stay(service: Service) -> None:
    await service.takes(DEFINE_HOTEL)
    await service.takes(DEFINE)
    await service.takes(_order())

    await service.takes(RetireExtra(extra_id=SPA, staff=STAFF, version=1))

    assert await service.offered() == []
    [refused] = await service.takes(_order(key="b"))
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.EXTRA_INACTIVE


async def test_extras_are_listed_in_the_order_that_staff_have_put_them_into(service: Service) -> None:
    await service.takes(DEFINE_HOTEL)
    for name in ("a", "b", "c", "d"):
        await service.takes(DEFINE.model_copy(update={"extra_id": ExtraId(name)}))
    assert await service.offered() == ["a", "b", "c", "d"]

    *moved, reply = await service.takes(ReorderExtras(staff=STAFF, extra_ids=(ExtraId("c"), ExtraId("a"))))

    assert await service.offered() == ["c", "a", "b", "d"]
    assert [(event.extra_id, event.position) for event in moved if isinstance(event, ExtraMoved)] == [
        ("c", 1),
        ("a", 2),
        ("b", 3),
    ]
    assert isinstance(reply, CatalogueReply)
    assert [extra.extra_id for extra in reply.extras] == ["c", "a", "b", "d"]


async def test_an_order_that_names_an_extra_of_another_property_moves_nothing(service: Service) -> None:
    await service.takes(DEFINE_HOTEL)
    await service.takes(DEFINE)

    [refused] = await service.takes(ReorderExtras(staff=given.staff("kamogawa"), extra_ids=(SPA,)))

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.EXTRA_NOT_FOUND


async def test_payment_window_cut_off_and_time_zone_of_the_property_rule_its_orders(service: Service) -> None:
    own = HOTEL.model_copy(update={"pay_within": timedelta(minutes=50), "cancel_until": timedelta(hours=48)})
    await service.takes(DEFINE_HOTEL)
    await service.takes(ChangeProperty(property_id=ALPENHOF, staff=STAFF, version=1, definition=own))
    await service.takes(DEFINE)

    await service.takes(_order())

    stored = await service.parts.collections.orders.load("ord_a")
    assert stored is not None
    assert stored.state.due_at == given.NOW + timedelta(minutes=50)
    assert stored.state.cancel_before == datetime(2026, 7, 1, 13, 0, tzinfo=UTC)  # 15:00 in Vienna, 48 hours before
    day = await service.parts.collections.stock.load(stock_id(SPA, given.FIRST_DAY, "15:00"))
    assert day is not None
    assert day.state.due_at == given.NOW + timedelta(minutes=50) + LAPSE_MARGIN


async def test_a_property_is_shown_to_its_staff_and_an_unknown_one_is_not_found(service: Service) -> None:
    await service.takes(DEFINE_HOTEL)

    known = await service.asked(GetProperty(property_id=ALPENHOF))
    unknown = await service.asked(GetProperty(property_id=PropertyId("nowhere")))

    assert isinstance(known, PropertyReply)
    assert (known.property.version, known.property.definition) == (1, HOTEL)
    assert isinstance(unknown, Refusal)
    assert unknown.reason is Reason.PROPERTY_NOT_FOUND


async def test_the_file_becomes_documents_once_and_a_later_start_leaves_what_staff_have_changed(
    service: Service,
) -> None:
    file = read_file(SHIPPED)
    extras, keeper = service.parts.collections.extras, service.parts.staff.keeper
    await extras.put(file.extras)
    as_records = await service.offered()

    await seed(keeper, file.properties)

    assert await service.offered() == as_records
    listed = await keeper.list(ALPENHOF)
    assert {extra.extra_id for extra in listed} == {
        extra.extra_id for extra in file.extras.values() if extra.property_id == ALPENHOF
    }
    assert not any(extra.view().changed_since_import for extra in listed)
    assert await extras.time_zones() == {"alpenhof": "Europe/Vienna", "kamogawa": "Asia/Tokyo"}
    spa = next(extra for extra in listed if extra.extra_id == "alm-spa")
    dearer = spa.definition.model_copy(update={"unit_price": Money(amount=5000, currency="EUR")})
    await service.takes(ChangeExtra(extra_id=spa.extra_id, staff=STAFF, version=1, definition=dearer))
    published = len(service.bench.published)

    await extras.put(file.extras)
    await seed(keeper, file.properties)

    assert len(service.bench.published) == published
    assert (await extras.get(["alm-spa"]))["alm-spa"].unit_price.amount == 5000


async def test_records_of_an_earlier_version_are_offered_as_before_and_stay_for_a_roll_back(service: Service) -> None:
    old = given.offered(time_zone="Europe/Vienna")
    dead = given.offered("alm-old", amount=0, time_zone="Europe/Vienna")
    extras = service.parts.collections.extras
    await extras.put({item.extra_id: item for item in (old, dead)})
    assert await service.offered() == [old.extra_id]

    await seed(service.parts.staff.keeper, {})

    assert await service.offered() == [old.extra_id]
    assert [extra.extra_id for extra in await extras.undocumented()] == ["alm-old"]
    assert set(await extras._records.find()) == {"alm-breakfast", "alm-old"}
    hotel = await service.parts.collections.property_of(ALPENHOF)
    assert hotel is not None
    assert hotel.definition.time_zone == "Europe/Vienna"


async def test_a_definition_is_checked_as_a_whole_and_nothing_is_changed(service: Service) -> None:
    in_euros = HOTEL.model_copy(update={"currencies": ("EUR",)})
    await service.takes(DEFINE_HOTEL.model_copy(update={"definition": in_euros}))
    in_dollars = BROKEN.model_copy(update={"unit_price": Money(amount=100, currency="USD")})

    broken = await service.asked(CheckExtra(property_id=ALPENHOF, definition=in_dollars))
    right = await service.asked(CheckExtra(property_id=ALPENHOF, definition=DEFINITION))
    nowhere = HOTEL.model_copy(update={"time_zone": "Alps"})
    hotel = await service.asked(CheckProperty(property_id=ALPENHOF, definition=nowhere))

    assert isinstance(broken, MistakesReply)
    assert len(broken.mistakes) > 1
    assert "/unit_price/currency" in {mistake.pointer for mistake in broken.mistakes}
    assert right == MistakesReply(mistakes=())
    assert isinstance(hotel, MistakesReply)
    assert [mistake.pointer for mistake in hotel.mistakes] == ["/time_zone"]
    assert await service.offered() == []
