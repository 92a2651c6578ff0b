"""`/docs`: the OpenAPI document as a page (Swagger UI), under a policy that lets nothing but its own script run.

The script comes from a CDN; `BELLHOP_API_DOCS=false` takes the page away.
"""

import base64
import hashlib
import re

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_CDN = "https://cdn.jsdelivr.net"
_ICON = "https://fastapi.tiangolo.com"


def docs_page(title: str, openapi_url: str) -> APIRouter:
    """The route of the page."""
    page = get_swagger_ui_html(openapi_url=openapi_url, title=title, swagger_favicon_url=f"{_ICON}/img/favicon.png")
    headers = {"Content-Security-Policy": policy_for(bytes(page.body).decode())}
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers=headers)

    return router


def policy_for(html: str) -> str:
    """A Content-Security-Policy under which the page's inline scripts run as they are, and no other inline code."""
    inline = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in inline
    )
    rules = {
        "default-src": "'none'",
        "script-src": f"{_CDN} {hashes}",
        "style-src": f"{_CDN} 'unsafe-inline'",
        "img-src": f"{_ICON} data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())
