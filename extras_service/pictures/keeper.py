"""Stores pictures, and removes those that no version of an extra has referred to for a month."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from chassis.decision import Refused
from chassis.storage.documents import Documents, Records
from contracts.ids import PropertyId
from contracts.orders import Reason
from contracts.pictures import LARGEST_FILE, StorePicture, picture_digest
from extras_service.catalogue.state import CatalogueExtra
from extras_service.pictures.record import PictureRecord

log = structlog.get_logger()

UNUSED_FOR = timedelta(days=30)
"""Longer than the message log keeps a command that may be replayed, and an owner takes from upload to definition."""
MOST_PICTURES = 5000
"""Of one property: some 3 GB at most, however long an owner's stolen token is used."""
_AT_ONCE = 100
_ALL = 100_000
"""Extras of one property: none may be missed."""

NOT_FOUND = Refused(Reason.PICTURE_NOT_FOUND, "There is no such picture.")
_TOO_LARGE = Refused(Reason.PICTURE_INVALID, "This picture was not encoded by the gateway.")
_TOO_MANY = Refused(
    Reason.TOO_MANY_PICTURES,
    f"This property has {MOST_PICTURES} pictures, the most it may have. Those that no extra uses are removed "
    f"after {UNUSED_FOR.days} days.",
)


@dataclass(frozen=True, slots=True)
class PictureKeeper:
    """Every method raises StoreUnavailableError."""

    pictures: Records[PictureRecord]
    catalogue: Documents[CatalogueExtra]
    clock: Callable[[], datetime]

    async def find(self, property_id: PropertyId, digest: str) -> str | None:
        """The id of the property's picture that a file of this digest has become, or whose large size it is."""
        picture_id = await known_as(self.pictures, digest)
        return picture_id if picture_id and await self.use(property_id, picture_id) else None

    async def store(self, command: StorePicture) -> str | Refused:
        """The id of the picture, stored now or before."""
        if max(len(command.large), len(command.small)) > LARGEST_FILE:
            return _TOO_LARGE
        property_id, now = command.staff.property_id, self._now()
        picture_id = picture_digest(property_id, command.large)
        if await self.use(property_id, picture_id):
            return picture_id
        if await self.pictures.count(property_id=property_id) >= MOST_PICTURES:
            return _TOO_MANY
        record = PictureRecord(
            property_id=property_id,
            source=command.source,
            uploaded_by=command.staff.staff_id,
            uploaded_at=now,
            used_at=now,
            large=b64encode(command.large).decode(),
            small=b64encode(command.small).decode(),
        )
        await self.pictures.add(picture_id, record)
        return picture_id

    async def get(self, picture_id: str) -> PictureRecord | None:
        return (await self.pictures.get([picture_id])).get(picture_id)

    async def use(self, property_id: PropertyId, picture_id: str) -> bool:
        """Whether the property has this picture, which is not removed from now on for `UNUSED_FOR`."""
        return await self.pictures.change(picture_id, {"used_at": self._now()}, property_id=property_id)

    async def sweep(self) -> None:
        """Remove pictures that no version of any extra refers to, nor has for `UNUSED_FOR`. Safe in several processes.

        One that an extra refers to is looked at again after that time. One that is referred to meanwhile has a newer
        `used_at`, and stays.
        """
        before = (self.clock() - UNUSED_FOR).astimezone(UTC).isoformat()
        referred = dict[str, frozenset[str]]()
        for picture_id in await self.pictures.ids_below("used_at", before, _AT_ONCE):
            record = await self.get(picture_id)
            if record is None or record.used_at >= before:
                continue
            if record.property_id not in referred:
                referred[record.property_id] = await self._referred(record.property_id)
            if picture_id in referred[record.property_id]:
                await self.use(record.property_id, picture_id)
            elif await self.pictures.remove_if(picture_id, used_at=record.used_at):
                log.info("picture.removed", picture_id=picture_id, property_id=record.property_id)

    async def _referred(self, property_id: PropertyId) -> frozenset[str]:
        """The pictures of all versions that are kept, those of retired extras included."""
        extras = await self.catalogue.find(_ALL, property_id=property_id)
        return frozenset(picture_id for extra in extras for picture_id in extra.picture_ids)

    def _now(self) -> str:
        return self.clock().astimezone(UTC).isoformat()


async def known_as(pictures: Records[PictureRecord], digest: str) -> str | None:
    """The id of the picture that a file of this digest has become, or whose large size it is. Changes nothing.

    A digest is of one property. Raises StoreUnavailableError.
    """
    if await pictures.get([digest]):
        return digest
    return next(iter(await pictures.find(source=digest)), None)
