"""The operator's page on a running system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from ops.web.app import create_app
from ops.web.settings import PageSettings
from tests.support.guest import AUDIENCE, ISSUER, JWT_SECRET, token
from tests.support.system import System

OPERATOR = "opal"


def settings(system: System) -> PageSettings:
    return PageSettings(
        amqp_url=SecretStr(system.setup.amqp_url),
        mongodb_url=SecretStr(system.setup.mongodb_url),
        mongodb_database=system.setup.database,
        jwt_secret=SecretStr(JWT_SECRET),
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )


def operators_token(role: str = "editor") -> str:
    return token(sub=OPERATOR, role=role, property=None, reservation=None, stay_from=None, stay_to=None)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The app, started, and a client that carries an operator's token."""
    headers = {"Authorization": f"Bearer {operators_token()}"}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://page", headers=headers, timeout=60) as http,
    ):
        yield http


class Page:
    """What the page's scripts ask."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, code: int = 200, **query: Any) -> Any:
        return _read(await self.http.get(f"/ops/api{path}", params=query), code)

    async def post(self, path: str, code: int = 200, **said: Any) -> Any:
        return _read(await self.http.post(f"/ops/api{path}", json=said), code)


def page_of(system: System) -> FastAPI:
    return create_app(settings(system))


def _read(answer: httpx.Response, code: int) -> Any:
    assert answer.status_code == code, answer.text
    return answer.json()
