"""`/docs`: the OpenAPI document as a page (Swagger UI), under a policy that permits only its own script.

Its files come from a package and are served by this gateway: the page contacts no other site.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from chassis.web.static_assets import REVALIDATE, File

_FILES = {
    "swagger-ui-bundle.js": "swagger/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger/swagger-ui.css",
    "favicon.png": "fastapi/favicon.png",
}
"""Paths below `static` in the package fastapi-standalone-docs."""


def docs_page(title: str, openapi_url: str) -> APIRouter:
    """The routes of the page and its files."""
    page = get_swagger_ui_html(
        openapi_url=openapi_url,
        title=title,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    headers = {"Content-Security-Policy": policy_for(bytes(page.body).decode())}
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers=headers)

    @router.get("/docs/{name}")
    async def file(request: Request, name: Annotated[str, Path(pattern=f"^({'|'.join(_FILES)})$")]) -> Response:
        return _file(name).response(request, REVALIDATE)

    return router


@cache
def _file(name: str) -> File:
    content = files("fastapi_standalone_docs").joinpath("static", _FILES[name]).read_bytes()
    return File.of(content, f".{name.rpartition('.')[2]}")


def policy_for(html: str) -> str:
    """A Content-Security-Policy under which the page's inline scripts run as they are, and no other inline code."""
    inline = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in inline
    )
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' {hashes}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())
