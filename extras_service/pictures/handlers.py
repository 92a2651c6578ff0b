"""Handlers of the queries about pictures. None decides."""

from dataclasses import dataclass
from typing import Any

from chassis.decision import Done, Outcome, Refused
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from contracts.message import Reply
from contracts.pictures import (
    FindPicture,
    GetPicture,
    PictureReply,
    PictureView,
    StoredPictureReply,
    StorePicture,
)
from extras_service.order.replies import refusal
from extras_service.pictures.keeper import NOT_FOUND, PictureKeeper


@dataclass(frozen=True, slots=True)
class PictureHandlers:
    """Each makes one call and replies to the requester."""

    keeper: PictureKeeper
    bus: Publisher

    def queries(self) -> Handlers:
        return {FindPicture: self.find, StorePicture: self.store, GetPicture: self.get}

    async def find(self, query: FindPicture, delivery: Delivery) -> Outcome[Any]:
        return await self._replied(await self.keeper.find(query.property_id, query.digest) or NOT_FOUND, delivery)

    async def store(self, command: StorePicture, delivery: Delivery) -> Outcome[Any]:
        return await self._replied(await self.keeper.store(command), delivery)

    async def get(self, query: GetPicture, delivery: Delivery) -> Outcome[Any]:
        picture = await self.keeper.get(query.picture_id)
        reply: Reply = PictureReply(content=picture.content(query.size)) if picture else refusal(NOT_FOUND)
        await send_reply(self.bus, delivery, reply)
        return Done()

    async def _replied(self, picture: str | Refused, delivery: Delivery) -> Outcome[Any]:
        if isinstance(picture, Refused):
            await send_reply(self.bus, delivery, refusal(picture))
            return picture
        await send_reply(self.bus, delivery, StoredPictureReply(picture=PictureView(picture_id=picture)))
        return Done()
