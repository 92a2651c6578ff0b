"""Orders by status, property and age."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from chassis.messaging.envelope import utc_now
from contracts.orders import OrderStatus
from ops.core import timespec
from ops.core.orders import MOST, Wanted, as_json, find
from ops.web.api.bodies import Text
from ops.web.problems import unreadable
from ops.web.session import ReconnectingSession


def routes(desk: ReconnectingSession) -> APIRouter:
    router = APIRouter(prefix="/orders")

    @router.get("")
    async def listed(
        status: Annotated[list[OrderStatus] | None, Query()] = None,
        property_id: Annotated[Text, Query(alias="property")] = "",
        since: Text = "",
        refunding: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = MOST,
    ) -> dict[str, Any]:
        """Waiting orders come first, the longest first; then the newest."""
        try:
            begin = timespec.parse(since, utc_now()) if since else None
        except ValueError as error:
            raise unreadable(error) from None
        found = await find(desk.store, Wanted(tuple(status or ()), property_id or None, begin, refunding), limit)
        return {"orders": [as_json(one) for one in found]}

    return router
