"""The story of one order."""

from typing import Any

from fastapi import APIRouter

from ops.places import Places
from ops.trace.collect import story_of


def routes(places: Places) -> APIRouter:
    router = APIRouter(prefix="/trace")

    @router.get("/{order}")
    async def trace(order: str) -> dict[str, Any]:
        return (await story_of(places, order)).as_json()

    return router
