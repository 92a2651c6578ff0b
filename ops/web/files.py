"""The static files of the page, under a policy that permits no other source."""

from pathlib import Path

from fastapi import APIRouter, Request, Response

from chassis.web.problems import ProblemError
from chassis.web.static_assets import REVALIDATE, StaticAssets
from ops.core.trace.svg import STYLE

FOLDER = Path(__file__).parent / "static"
PATH = "/ops/page"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


def files() -> APIRouter:
    """The routes of the page. Its files are read once, at start."""
    router = APIRouter(include_in_schema=False)
    page = StaticAssets(FOLDER, PATH, {"trace.css": STYLE.encode()})

    @router.api_route("/ops", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return page.index.response(request, REVALIDATE, HEADERS)

    @router.api_route(PATH + "/{version}/{name}", methods=["GET", "HEAD"])
    async def file(request: Request, version: str, name: str) -> Response:
        if name not in page:
            raise ProblemError(404, "no-such-page", "Not Found", f"The operator's page has no file {name}.")
        return page.response(request, version, name, HEADERS)

    return router
