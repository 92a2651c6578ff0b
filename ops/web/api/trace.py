"""The story of one order."""

from typing import Any

from fastapi import APIRouter, Response

from ops.core.target import Target
from ops.core.trace.collect import story_of
from ops.core.trace.svg import svg


def routes(target: Target) -> APIRouter:
    router = APIRouter(prefix="/trace")

    @router.get("/{order}.svg")
    async def diagram(order: str) -> Response:
        return Response(svg(await story_of(target, order)), media_type="image/svg+xml")

    @router.get("/{order}")
    async def trace(order: str) -> dict[str, Any]:
        return (await story_of(target, order)).as_json()

    return router
