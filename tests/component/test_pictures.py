"""Pictures are stored once, found again, referred to by extras, and removed when no version of any extra shows them."""

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from contracts.catalogue import ChangeExtra, DefineExtra, ExtraReply, RetireExtra
from contracts.ids import PropertyId
from contracts.message import Message
from contracts.offers import ExtraDefinition, Picture
from contracts.orders import ExtrasReply, ListExtras, Reason, Refusal
from contracts.pictures import (
    FindPicture,
    GetPicture,
    PictureReply,
    PictureSize,
    StoredPictureReply,
    StorePicture,
    picture_digest,
)
from contracts.properties import DefineProperty
from contracts.topology import COMMANDS, EXTRAS_COMMANDS, EXTRAS_QUERIES
from extras_service.order.placement import Terms
from extras_service.pictures import keeper
from extras_service.pictures.keeper import UNUSED_FOR
from extras_service.versions import KEPT
from extras_service.wiring import ExtrasParts, wire
from ops.core.dry_run import DryRun
from ops.core.messages import RecordedMessage
from tests.component.bench import REPLY_TO, Bench
from tests.support import orders as given
from tests.support.fake_store import FakeStore
from tests.unit.extras_service.test_catalogue_every_pair import BROKEN, DEFINITION, HOTEL, SPA

ALPENHOF = PropertyId("alpenhof")
LARGE, SMALL = b"a large picture", b"a small one"


@dataclass
class Service:
    bench: Bench
    store: FakeStore
    parts: ExtrasParts = None  # type: ignore[assignment]  # wired with this clock
    now: datetime = given.NOW
    arrived: int = 0

    def clock(self) -> datetime:
        return self.now

    async def asked(self, message: Message) -> Message:
        is_command = isinstance(message, DefineExtra | ChangeExtra | RetireExtra | DefineProperty)
        self.arrived += 1
        await self.bench.deliver(
            EXTRAS_COMMANDS if is_command else EXTRAS_QUERIES,
            message,
            message_id=f"m-{self.arrived}",
            reply_to=REPLY_TO,
        )
        return self.bench.sent[-1]

    async def uploads(self, large: bytes = LARGE, by: str = "alpenhof", source: str = "") -> str:
        reply = await self.asked(StorePicture(staff=given.staff(by), source=source, large=large, small=SMALL))
        assert isinstance(reply, StoredPictureReply), reply
        return reply.picture.picture_id

    async def has(self, picture_id: str) -> bool:
        reply = await self.asked(GetPicture(picture_id=picture_id, size=PictureSize.LARGE))
        return isinstance(reply, PictureReply)

    async def passes(self, time: timedelta) -> None:
        """Time passes, with its sweeps."""
        self.now += time
        await self.parts.pictures.keeper.sweep()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service(Bench("extras-service"), FakeStore())
    service.parts = wire(service.bench.bus, service.store, service.clock, Terms(given.PAY_WITHIN))
    for queue, table in service.parts.tables.items():
        service.bench.consume(queue, table)
    async with service.bench.running():
        await service.asked(DefineProperty(property_id=ALPENHOF, staff=given.staff(), definition=HOTEL))
        yield service


def shown(picture_id: str, **changes: object) -> ExtraDefinition:
    picture = Picture(picture_id=picture_id, alt={"en": "A whirlpool"})
    return DEFINITION.model_copy(update={"picture": picture, **changes})


async def test_a_picture_is_stored_once_under_its_digest_and_served_in_both_sizes(service: Service) -> None:
    first, again = await service.uploads(), await service.uploads()

    assert first == again == picture_digest("alpenhof", LARGE)
    for size, content in ((PictureSize.LARGE, LARGE), (PictureSize.SMALL, SMALL)):
        reply = await service.asked(GetPicture(picture_id=first, size=size))
        assert isinstance(reply, PictureReply)
        assert reply.content == content


async def test_a_picture_is_found_by_the_file_that_was_uploaded_and_by_itself_in_its_own_property_alone(
    service: Service,
) -> None:
    file = picture_digest("alpenhof", b"a file")
    picture = await service.uploads(source=file)

    for digest in (file, picture):
        found = await service.asked(FindPicture(property_id=ALPENHOF, digest=digest))
        assert isinstance(found, StoredPictureReply)
        assert found.picture.picture_id == picture
        other = await service.asked(FindPicture(property_id=PropertyId("kamogawa"), digest=digest))
        assert isinstance(other, Refusal)
        assert other.reason is Reason.PICTURE_NOT_FOUND


async def test_two_properties_with_the_same_file_have_two_pictures(service: Service) -> None:
    assert await service.uploads() != await service.uploads(by="kamogawa")


async def test_an_unknown_picture_is_not_found(service: Service) -> None:
    reply = await service.asked(GetPicture(picture_id="0" * 64, size=PictureSize.SMALL))

    assert isinstance(reply, Refusal)
    assert reply.reason is Reason.PICTURE_NOT_FOUND


async def test_guests_see_an_extras_picture_with_its_text(service: Service) -> None:
    picture = await service.uploads()
    await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(picture)))

    reply = await service.asked(ListExtras(property_id=ALPENHOF))

    assert isinstance(reply, ExtrasReply)
    assert reply.extras[0].picture == Picture(picture_id=picture, alt={"en": "A whirlpool"})


@pytest.mark.parametrize("picture", ["missing", "of another property", "no digest"])
async def test_a_reference_to_no_picture_of_the_property_is_one_of_all_mistakes(service: Service, picture: str) -> None:
    foreign = await service.uploads(by="kamogawa")
    picture_id = {"missing": "0" * 64, "of another property": foreign, "no digest": "../../etc"}[picture]
    broken = BROKEN.model_copy(update={"picture": Picture(picture_id=picture_id, alt={})})

    reply = await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=broken))

    assert isinstance(reply, Refusal)
    pointers = [mistake.pointer for mistake in reply.mistakes]
    assert {"/name", "/max_quantity", "/picture/alt", "/picture/picture_id"} <= set(pointers)


async def test_the_text_of_a_picture_has_the_propertys_first_language_as_a_name_has(service: Service) -> None:
    german = HOTEL.model_copy(update={"languages": ("de", "en"), "name": {"de": "Alpenhof"}})
    kamogawa = PropertyId("kamogawa")
    staff = given.staff(kamogawa)
    await service.asked(DefineProperty(property_id=kamogawa, staff=staff, definition=german))
    picture = await service.uploads(by=kamogawa)

    reply = await service.asked(
        DefineExtra(extra_id=SPA, staff=staff, definition=shown(picture, name={"de": "Spa", "en": "Spa"}))
    )

    assert isinstance(reply, Refusal)
    assert [mistake.pointer for mistake in reply.mistakes] == ["/picture/alt"]


async def test_a_picture_that_no_extra_has_ever_used_is_removed_after_a_month_and_not_before(service: Service) -> None:
    picture = await service.uploads()

    await service.passes(UNUSED_FOR - timedelta(seconds=1))
    assert await service.has(picture)

    await service.passes(timedelta(seconds=2))
    assert not await service.has(picture)


async def test_a_picture_that_a_kept_version_shows_stays_as_long_as_it_is_kept(service: Service) -> None:
    old, new = await service.uploads(b"old"), await service.uploads(b"new")
    await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(old)))
    await service.asked(ChangeExtra(extra_id=SPA, staff=given.staff(), version=1, definition=shown(new)))

    for _ in range(3):
        await service.passes(UNUSED_FOR + timedelta(days=1))
        assert await service.has(old)
        assert await service.has(new)

    for version in range(2, KEPT + 2):
        change = ChangeExtra(
            extra_id=SPA, staff=given.staff(), version=version, definition=shown(new, max_quantity=version)
        )
        assert isinstance(await service.asked(change), ExtraReply)
    await service.passes(UNUSED_FOR + timedelta(days=1))
    assert not await service.has(old)
    assert await service.has(new)


async def test_a_retired_extras_picture_stays_since_it_may_be_offered_again(service: Service) -> None:
    picture = await service.uploads()
    await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(picture)))
    await service.asked(RetireExtra(extra_id=SPA, staff=given.staff(), version=1))

    await service.passes(UNUSED_FOR + timedelta(days=1))

    assert await service.has(picture)


async def test_a_picture_that_is_referred_to_during_the_sweep_stays(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = await service.uploads()
    referred = keeper.PictureKeeper._referred

    async def slow(self: keeper.PictureKeeper, property_id: PropertyId) -> frozenset[str]:
        before = await referred(self, property_id)
        await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(picture)))
        return before

    monkeypatch.setattr(keeper.PictureKeeper, "_referred", slow)

    await service.passes(UNUSED_FOR + timedelta(days=1))

    assert await service.has(picture)


async def test_a_sweep_goes_on_where_the_one_before_has_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_AT_ONCE", 2)
    used = await service.uploads(b"used")
    await service.asked(DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(used)))
    unused = [await service.uploads(f"unused {n}".encode()) for n in range(5)]

    await service.passes(UNUSED_FOR + timedelta(days=1))
    for _ in range(3):
        await service.passes(timedelta(minutes=10))

    assert [picture for picture in unused if await service.has(picture)] == []
    assert await service.has(used)


async def test_a_property_has_a_bounded_number_of_pictures_and_a_known_one_can_still_be_uploaded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_PICTURES", 2)
    known = await service.uploads(b"1")
    await service.uploads(b"2")

    reply = await service.asked(StorePicture(staff=given.staff(), source="", large=b"3", small=SMALL))

    assert isinstance(reply, Refusal)
    assert reply.reason is Reason.TOO_MANY_PICTURES
    assert await service.uploads(b"1") == known
    assert await service.uploads(b"3", by="kamogawa")


async def test_a_forecast_knows_the_stored_pictures_and_changes_none(service: Service) -> None:
    picture = await service.uploads()
    stored = copy.deepcopy(service.store.raw["pictures"])

    async def forecast(picture_id: str) -> str:
        command = DefineExtra(extra_id=SPA, staff=given.staff(), definition=shown(picture_id))
        seen = RecordedMessage(
            message_id="m-1",
            kind=command.kind,
            body=command.to_wire(),
            exchange=COMMANDS.name,
            routing_key=command.kind,
        )
        later = service.now + timedelta(days=1)
        return str(await DryRun(service.store, clock=lambda: later).forecast(seen, EXTRAS_COMMANDS.name))

    assert (await forecast(picture)).startswith("applied")
    assert await forecast("0" * 64) == "refused: extra_invalid"
    assert service.store.raw["pictures"] == stored
