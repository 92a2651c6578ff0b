"""Handlers of staff's commands and queries about the catalogue and the property. None decides."""

from dataclasses import dataclass
from typing import Any

from chassis.decision import Done, Outcome, Refused
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from chassis.storage.write_path import Handled
from contracts.catalogue import (
    CatalogueReply,
    ChangeExtra,
    CheckExtra,
    DefineExtra,
    ExtraReply,
    ListCatalogue,
    MistakesReply,
    ReorderExtras,
    RetireExtra,
)
from contracts.ids import PropertyId
from contracts.message import Reply
from contracts.properties import ChangeProperty, CheckProperty, DefineProperty, GetProperty, PropertyReply
from extras_service.catalogue.keeper import CatalogueKeeper
from extras_service.catalogue.state import CatalogueExtra
from extras_service.order.replies import refusal
from extras_service.property.decide import NOT_FOUND
from extras_service.property.rules import mistakes_of as mistakes_of_property


@dataclass(frozen=True, slots=True)
class CatalogueHandlers:
    """Each makes one call and replies to the requester."""

    keeper: CatalogueKeeper
    bus: Publisher

    def commands(self) -> Handlers:
        return {
            DefineProperty: self.change_property,
            ChangeProperty: self.change_property,
            DefineExtra: self.define,
            ChangeExtra: self.change,
            RetireExtra: self.retire,
            ReorderExtras: self.reorder,
        }

    def queries(self) -> Handlers:
        return {
            ListCatalogue: self.list,
            GetProperty: self.get_property,
            CheckExtra: self.check_extra,
            CheckProperty: self.check_property,
        }

    async def change_property(self, command: DefineProperty | ChangeProperty, delivery: Delivery) -> Outcome[Any]:
        handled = await self.keeper.change_property(command, delivery)
        if isinstance(handled.outcome, Refused):
            await send_reply(self.bus, delivery, refusal(handled.outcome))
        elif handled.state is not None:
            await send_reply(self.bus, delivery, PropertyReply(property=handled.state.view()))
        return handled.outcome

    async def define(self, command: DefineExtra, delivery: Delivery) -> Outcome[Any]:
        return await self._replied(await self.keeper.define(command, delivery), delivery)

    async def change(self, command: ChangeExtra, delivery: Delivery) -> Outcome[Any]:
        return await self._replied(await self.keeper.change(command, delivery), delivery)

    async def retire(self, command: RetireExtra, delivery: Delivery) -> Outcome[Any]:
        return await self._replied(await self.keeper.retire(command, delivery), delivery)

    async def reorder(self, command: ReorderExtras, delivery: Delivery) -> Outcome[Any]:
        outcome = await self.keeper.reorder(command, delivery)
        if isinstance(outcome, Refused):
            await send_reply(self.bus, delivery, refusal(outcome))
        else:
            await send_reply(self.bus, delivery, await self._catalogue(command.staff.property_id))
        return outcome

    async def list(self, query: ListCatalogue, delivery: Delivery) -> Outcome[Any]:
        await send_reply(self.bus, delivery, await self._catalogue(query.property_id))
        return Done()

    async def get_property(self, query: GetProperty, delivery: Delivery) -> Outcome[Any]:
        hotel = await self.keeper.collections.property_of(query.property_id)
        reply: Reply = PropertyReply(property=hotel.view()) if hotel else refusal(NOT_FOUND)
        await send_reply(self.bus, delivery, reply)
        return Done()

    async def check_extra(self, query: CheckExtra, delivery: Delivery) -> Outcome[Any]:
        await send_reply(self.bus, delivery, MistakesReply(mistakes=await self.keeper.mistakes(query)))
        return Done()

    async def check_property(self, query: CheckProperty, delivery: Delivery) -> Outcome[Any]:
        await send_reply(self.bus, delivery, MistakesReply(mistakes=mistakes_of_property(query.definition)))
        return Done()

    async def _catalogue(self, property_id: PropertyId) -> CatalogueReply:
        return CatalogueReply(extras=tuple(extra.view() for extra in await self.keeper.list(property_id)))

    async def _replied(self, handled: Handled[CatalogueExtra], delivery: Delivery) -> Outcome[Any]:
        if isinstance(handled.outcome, Refused):
            await send_reply(self.bus, delivery, refusal(handled.outcome))
        elif handled.state is not None:
            await send_reply(self.bus, delivery, ExtraReply(extra=handled.state.view()))
        return handled.outcome
