"""Tokens of a login that publishes its keys: fetched over a real socket, and rotated under a running gateway."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from chassis.web.signing_keys import jwks_fetcher
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.support.guest import problem
from tests.support.waiting import until

ISSUER = "https://login.alpenhof.example"
OLD, NEW = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
OLD_JWK = RSAAlgorithm.to_jwk(OLD.public_key(), as_dict=True) | {"kid": "old", "use": "sig"}
NEW_JWK = ECAlgorithm.to_jwk(NEW.public_key(), as_dict=True) | {"kid": "new", "use": "sig"}


@dataclass
class Login:
    """A login's web server with configurable faults."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    asked: int = 0
    hangs: bool = False

    def publishes(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.hangs:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture
async def login() -> AsyncIterator[Login]:
    served = Login()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(served, lifespan="off", log_config=None, access_log=False))
    task = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started, "the login has started")
    served.url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    yield served
    server.should_exit = True
    await task


@asynccontextmanager
async def gateway(login: Login) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway without a bus: a request past the token check meets an order without its key (400)."""
    settings = GatewaySettings(
        amqp_url=SecretStr("amqp://unused"),
        jwt_secret=SecretStr(""),
        jwt_jwks_url=login.url,
        jwt_issuer=ISSUER,
        seal_keys=SecretStr(Fernet.generate_key().decode()),
    )
    transport = httpx.ASGITransport(app=create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield http


async def asked(http: httpx.AsyncClient, key: Any, algorithm: str, kid: str) -> httpx.Response:
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": "bellhop",
        "sub": "guest-1",
        "iat": now,
        "exp": now + timedelta(hours=1),
        "role": "guest",
        "property": "alpenhof",
        "reservation": "R-1",
        "stay_from": "2038-02-01",
        "stay_to": "2038-02-08",
    }
    signed = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})
    return await http.post("/v1/orders", json={"lines": []}, headers={"Authorization": f"Bearer {signed}"})


async def test_a_running_gateway_takes_the_logins_new_key(login: Login) -> None:
    login.publishes(OLD_JWK, NEW_JWK)

    async with gateway(login) as http:
        by_old = await asked(http, OLD, "RS256", "old")
        by_new = await asked(http, NEW, "ES256", "new")
        by_stranger = await asked(http, ec.generate_private_key(ec.SECP256R1()), "ES256", "new")

    problem(by_old, 400, "idempotency-key-missing")
    problem(by_new, 400, "idempotency-key-missing")
    problem(by_stranger, 401, "unauthorized")
    assert login.asked == 1


async def test_a_login_that_is_away_makes_no_token_bad(login: Login) -> None:
    login.status = 503

    async with gateway(login) as http:
        answer = await asked(http, OLD, "RS256", "old")
        again = await asked(http, OLD, "RS256", "old")

    problem(answer, 503, "unavailable")
    problem(again, 503, "unavailable")
    assert answer.headers["retry-after"]
    assert login.asked == 1


async def test_a_flood_of_made_up_key_ids_asks_the_login_once(login: Login) -> None:
    login.publishes(OLD_JWK)

    async with gateway(login) as http:
        answers = await asyncio.gather(*(asked(http, NEW, "ES256", f"made-up-{number}") for number in range(50)))

    assert {answer.status_code for answer in answers} == {401}
    assert login.asked == 1


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"x" * 300_000, []),
        (302, b"", [(b"location", b"/elsewhere")]),
        (404, b"{}", []),
        (204, b"", []),
    ],
    ids=["endless", "elsewhere", "missing", "empty"],
)
async def test_what_is_no_key_set_is_not_taken(
    login: Login, status: int, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    login.status, login.body, login.headers = status, body, headers

    with pytest.raises(ValueError, match="answers"):
        await jwks_fetcher(login.url)()

    assert login.asked == 1


async def test_a_login_that_does_not_answer_is_not_waited_for(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.web.signing_keys.FETCH_TIMEOUT", 0.2)
    login.hangs = True

    with pytest.raises((TimeoutError, httpx.TimeoutException)):
        await jwks_fetcher(login.url)()
