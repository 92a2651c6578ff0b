"""The story of one order."""

from typing import Any

from fastapi import APIRouter, Response

from ops.core.target import Target
from ops.core.trace.collect import story_of
from ops.core.trace.svg import svg


def routes(target: Target) -> APIRouter:
    router = APIRouter(prefix="/trace")

    @router.get("/{order}.svg")
    async def diagram(order: str, *, whole_log: bool = False) -> Response:
        return Response(svg(await story_of(target, order, whole_log=whole_log)), media_type="image/svg+xml")

    @router.get("/{order}")
    async def trace(order: str, *, whole_log: bool = False) -> dict[str, Any]:
        return (await story_of(target, order, whole_log=whole_log)).as_json()

    return router
