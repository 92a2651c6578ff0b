"""What can be ordered, read from the catalogue's documents, or from the records that earlier versions wrote."""

from collections.abc import Iterable, Mapping

from chassis.storage.documents import Documents, Records
from contracts.catalogue import ExtraStatus
from contracts.ids import PropertyId
from extras_service.catalogue.extra import Extra
from extras_service.catalogue.state import CatalogueExtra
from extras_service.property.state import DEFINED, Property

MOST = 1000
"""Extras of one property."""


class Offers:
    """Extras as they can be ordered. Every method raises StoreUnavailableError.

    The records are those of versions before the catalogue had documents. They are read where there is no document, and
    never removed: after a roll-back the older version finds what it had.
    """

    def __init__(
        self, catalogue: Documents[CatalogueExtra], properties: Documents[Property], records: Records[Extra]
    ) -> None:
        self._catalogue = catalogue
        self._properties = properties
        self._records = records

    async def put(self, extras: Mapping[str, Extra]) -> None:
        """Insert or replace records by id. A document of the same id has precedence."""
        await self._records.put(extras)

    async def get(self, extra_ids: Iterable[str], hotel: Property | None = None) -> dict[str, Extra]:
        """The extras with these ids, by id; those of `hotel` with its time zone. Unknown ids are left out.

        A retired extra is there, and not on offer.
        """
        wanted = list(dict.fromkeys(extra_ids))
        documents = [state for _, state in await self._catalogue.load_many(wanted)]
        found = {str(state.extra_id): state.offered() for state in documents}
        missing = [extra_id for extra_id in wanted if extra_id not in found]
        if missing:
            found |= await self._records.get(missing)
        return {extra_id: _located(extra, hotel) for extra_id, extra in found.items()}

    async def of(self, property_id: PropertyId) -> list[Extra]:
        """The extras of a property in their order, those included that are not on offer."""
        stored = await self._properties.load(property_id)
        documents = await self._catalogue.find(MOST, property_id=property_id)
        found = {str(state.extra_id): state.offered() for state in documents if state.status is ExtraStatus.OFFERED}
        retired = {str(state.extra_id) for state in documents} - found.keys()
        records = await self._records.find(property_id=property_id)
        found = {extra_id: extra for extra_id, extra in records.items() if extra_id not in retired} | found
        hotel = stored.state if stored else None
        return sorted((_located(extra, hotel) for extra in found.values()), key=lambda each: each.position)

    async def undocumented(self) -> list[Extra]:
        """The records that have no document."""
        records = await self._records.between("property_id", "")
        documents = {state.extra_id for _, state in await self._catalogue.load_many(list(records))}
        return [extra for extra in records.values() if extra.extra_id not in documents]

    async def time_zones(self) -> dict[str, str]:
        """The time zone of every property, by id."""
        records = {
            str(extra.property_id): extra.time_zone
            for extra in (await self._records.between("property_id", "")).values()
        }
        properties = await self._properties.find(MOST, status=DEFINED)
        return records | {str(state.property_id): state.definition.time_zone for state in properties}


def _located(extra: Extra, hotel: Property | None) -> Extra:
    if hotel is None or hotel.property_id != extra.property_id:
        return extra
    return extra.model_copy(update={"time_zone": hotel.definition.time_zone})
