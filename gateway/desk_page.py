"""The desk, the page of a hotel's staff: static files, under a policy that permits only their own scripts."""

import json

from fastapi import APIRouter, Request, Response

from chassis.web.problems import ProblemError
from chassis.web.static_assets import REVALIDATE, StaticAssets
from gateway.guest_page import FOLDER, decimals, policy_for

_SHARED = ("base.css", "dialogs.js", "icon.svg", "live.js", "receipt.js", "theme.js", "waiting.js", "words.js")
"""Files of the guest's page that the desk uses, too."""
_PREVIEW = ("choices.js", "offers.js", "views.css")
"""What draws an extra on the guest's page: the desk's preview of an extra is drawn by it, too."""


def desk_page() -> APIRouter:
    """The routes of the desk. All files are read once, at start."""
    router = APIRouter(include_in_schema=False)
    known = {name: (FOLDER / name).read_bytes() for name in (*_SHARED, *_PREVIEW)}
    known["decimals.json"] = json.dumps(decimals(), separators=(",", ":")).encode()
    known["guest-messages.json"] = (FOLDER / "messages.json").read_bytes()
    files = StaticAssets(FOLDER / "desk", "/desk", known)
    headers = {
        "Content-Security-Policy": policy_for(""),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    @router.api_route("/desk", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return files.index.response(request, REVALIDATE, headers)

    @router.api_route("/desk/{version}/{name}", methods=["GET", "HEAD"])
    async def file(request: Request, version: str, name: str) -> Response:
        if name not in files:
            raise ProblemError(404, "no-such-page", "Not Found", f"The desk has no file {name}.")
        return files.response(request, version, name, headers)

    return router
