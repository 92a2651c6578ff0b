"""Carries out staff's changes of the catalogue and of their property, as decided in `decide.py`."""

from dataclasses import dataclass

from chassis.decision import Done, Outcome, Refused
from chassis.messaging.envelope import Delivery
from chassis.storage.write_path import Handled, WritePath
from contracts.catalogue import ChangeExtra, CheckExtra, DefineExtra, ReorderExtras, RetireExtra
from contracts.ids import PropertyId
from contracts.offers import ExtraDefinition, Mistake
from contracts.properties import ChangeProperty, DefineProperty
from extras_service.catalogue.decide import NOT_FOUND
from extras_service.catalogue.inputs import CatalogueInput, ExtraChange, ExtraDefining, MoveExtra
from extras_service.catalogue.offers import MOST
from extras_service.catalogue.state import CatalogueExtra
from extras_service.catalogue.transitions import mistakes_in
from extras_service.collections import ExtrasStore
from extras_service.pictures.keeper import PictureKeeper
from extras_service.property.inputs import PropertyInput
from extras_service.property.state import Property


@dataclass(frozen=True, slots=True)
class CatalogueKeeper:
    """Changes properties and their extras. Every method raises TransientError."""

    extras: WritePath[CatalogueExtra, CatalogueInput]
    properties: WritePath[Property, PropertyInput]
    collections: ExtrasStore
    pictures: PictureKeeper

    async def change_property(self, command: DefineProperty | ChangeProperty, delivery: Delivery) -> Handled[Property]:
        return await self.properties.handle(command.property_id, command, delivery)

    async def define(self, command: DefineExtra, delivery: Delivery) -> Handled[CatalogueExtra]:
        hotel = await self.collections.property_of(command.staff.property_id)
        last = max((extra.position for extra in await self.list(command.staff.property_id)), default=0)
        message = ExtraDefining(
            command,
            hotel.definition if hotel else None,
            last,
            await self._has_picture(command.staff.property_id, command.definition),
        )
        return await self.extras.handle(command.extra_id, message, delivery)

    async def change(self, command: ChangeExtra, delivery: Delivery) -> Handled[CatalogueExtra]:
        hotel = await self.collections.property_of(command.staff.property_id)
        message = ExtraChange(
            command,
            hotel.definition if hotel else None,
            await self._has_picture(command.staff.property_id, command.definition),
        )
        return await self.extras.handle(command.extra_id, message, delivery)

    async def mistakes(self, query: CheckExtra) -> tuple[Mistake, ...]:
        """What a change to this definition would be refused for."""
        hotel = await self.collections.property_of(query.property_id)
        has_picture = await self._has_picture(query.property_id, query.definition)
        return mistakes_in(query.definition, hotel.definition if hotel else None, has_picture=has_picture)

    async def _has_picture(self, property_id: PropertyId, definition: ExtraDefinition) -> bool:
        picture = definition.picture
        return picture is None or await self.pictures.use(property_id, picture.picture_id)

    async def retire(self, command: RetireExtra, delivery: Delivery) -> Handled[CatalogueExtra]:
        return await self.extras.handle(command.extra_id, command, delivery)

    async def reorder(self, command: ReorderExtras, delivery: Delivery) -> Outcome[CatalogueExtra]:
        """Move every extra whose place changes, one after the other. Delivered again, it goes on where it stopped."""
        known = {extra.extra_id: extra for extra in await self.list(command.staff.property_id)}
        named = tuple(dict.fromkeys(command.extra_ids))
        if any(extra_id not in known for extra_id in named):
            return NOT_FOUND
        others = (extra_id for extra_id in known if extra_id not in named)
        for position, extra_id in enumerate((*named, *others), start=1):
            if known[extra_id].position == position:
                continue
            outcome = (
                await self.extras.handle(extra_id, MoveExtra(command.staff, position), delivery.step(extra_id))
            ).outcome
            if isinstance(outcome, Refused):
                return outcome
        return Done()

    async def list(self, property_id: PropertyId) -> list[CatalogueExtra]:
        """The extras of a property in their order, the retired ones included."""
        found = await self.collections.catalogue.find(MOST, property_id=property_id)
        return sorted(found, key=lambda extra: (extra.position, extra.extra_id))
