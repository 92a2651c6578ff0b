"""The guest's page: static files, under a policy that permits only their scripts and the PSP's."""

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from babel.core import get_global
from babel.numbers import get_currency_precision
from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from chassis.web.problems import ProblemError
from chassis.web.static_assets import REVALIDATE, File, StaticAssets
from gateway.settings import GatewaySettings

FOLDER = Path(__file__).parent / "static"
STRIPE_HOST = "js.stripe.com"
USUAL_DECIMALS = 2


def policy_for(script_url: str) -> str:
    """The page's Content-Security-Policy: no inline code, and no origin except this gateway and the configured PSP.

    Stripe's own addresses: https://docs.stripe.com/security/guide#content-security-policy
    """
    parts = urlsplit(script_url)
    psp = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    script = frame = connect = psp
    if parts.hostname == STRIPE_HOST:
        script = f"{psp} https://*.js.stripe.com"
        frame = f"{script} https://hooks.stripe.com"
        connect = "https://api.stripe.com"
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' {script}",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {connect}",
        "frame-src": frame or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources.strip()}" for name, sources in rules.items())


def decimals() -> dict[str, int]:
    """The number of decimals of each currency that does not have two, as the PSP adapter counts (docs/http-api.md)."""
    counted = {code: get_currency_precision(code) for code in get_global("currency_fractions") if code != "DEFAULT"}
    return {code: digits for code, digits in sorted(counted.items()) if digits != USUAL_DECIMALS}


class Page:
    """The routes of the page. All files are read once, at start, except themes, which may change while it runs."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._themes = settings.page_themes
        self._headers = {
            "Content-Security-Policy": policy_for(settings.stripe_js_url),
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "X-Content-Type-Options": "nosniff",
        }
        known = {"decimals.json": json.dumps(decimals(), separators=(",", ":")).encode()}
        self._files = StaticAssets(FOLDER, "/page", known)

    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.api_route("/", methods=["GET", "HEAD"])
        async def index(request: Request) -> Response:
            return self._files.index.response(request, REVALIDATE, self._headers)

        @router.api_route("/page/theme/{name}.css", methods=["GET", "HEAD"])
        async def theme(request: Request, name: Annotated[str, InPath(pattern=r"^[\w-]{1,64}$")]) -> Response:
            return self._theme(name).response(request, REVALIDATE, self._headers)

        @router.api_route("/page/{version}/{name}", methods=["GET", "HEAD"])
        async def file(request: Request, version: str, name: str) -> Response:
            if name not in self._files:
                raise ProblemError(404, "no-such-page", "Not Found", f"The guest's page has no file {name}.")
            return self._files.response(request, version, name, self._headers)

        return router

    def _theme(self, property_id: str) -> File:
        """A property's theme, empty if it has none: the page works without one."""
        file = self._themes / f"{property_id}.css" if self._themes else None
        return File.of(file.read_bytes() if file and file.is_file() else b"", ".css")
