"""What answers tell a browser: the same on every route and every error, and nothing to sites that are not named."""

import re
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from chassis.web.headers import HSTS, SECURITY_HEADERS
from gateway.app import create_app
from gateway.settings import GatewaySettings

SITE = "https://www.alpenhof.example"


def _settings(**changes: Any) -> GatewaySettings:
    return GatewaySettings(
        amqp_url=SecretStr("amqp://localhost"),
        jwt_secret=SecretStr("x" * 32),
        jwt_issuer="tests",
        seal_keys=SecretStr(Fernet.generate_key().decode()),
        **changes,
    )


def _app(**changes: Any) -> FastAPI:
    app = create_app(_settings(**changes))

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("an unforeseen error")

    return app


def _http(app: FastAPI, scheme: str = "http") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url=f"{scheme}://gateway"
    )


ANSWERS = {
    "alive": ("GET", "/health/live", 200),
    "counters": ("GET", "/metrics", 200),
    "the API's description": ("GET", "/openapi.json", 200),
    "not signed in": ("GET", "/v1/orders", 401),
    "no such page": ("GET", "/nowhere", 404),
    "no such method": ("DELETE", "/v1/orders", 405),
    "a bug": ("GET", "/broken", 500),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_every_answer_has_them(what: str) -> None:
    method, path, status = ANSWERS[what]

    answer = await _http(_app()).request(method, path)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in answer.headers


async def test_refusals_before_any_route_have_them_too() -> None:
    too_often = _http(_app(address_rate="1/day"))
    await too_often.get("/v1/orders")

    answers = [await too_often.get("/v1/orders"), await _http(_app()).post("/v1/orders", content=b"a" * 70_000)]

    assert [answer.status_code for answer in answers] == [429, 413]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_a_route_that_says_otherwise_is_not_overruled() -> None:
    page = await _http(_app()).get("/")

    assert page.status_code == 200
    assert page.headers.get_list("content-security-policy") == [page.headers["content-security-policy"]]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-frame-options"] == "DENY"


async def test_browsers_must_stay_on_https_only_over_https() -> None:
    app = _app()

    assert (await _http(app, "https").get("/v1/orders")).headers["strict-transport-security"] == HSTS
    assert "strict-transport-security" not in (await _http(app, "http").get("/v1/orders")).headers


async def test_the_page_of_the_api_runs_its_own_script_and_no_other() -> None:
    page = await _http(_app()).get("/docs")

    policy = page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="([^"]+)', page.text)
    assert page.status_code == 200
    assert sorted(named) == ["/docs/favicon.png", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]
    assert "//" not in policy
    assert len(re.findall(r"<script>", page.text)) == len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy)) == 1
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("swagger-ui.css", "text/css; charset=utf-8"),
        ("favicon.png", "image/png"),
    ],
)
async def test_the_page_of_the_api_brings_its_own_files(name: str, media_type: str) -> None:
    file = await _http(_app()).get(f"/docs/{name}")

    assert (file.status_code, file.headers["content-type"]) == (200, media_type)
    assert len(file.content) > 1000


@pytest.mark.parametrize(
    ("settings", "is_there"),
    [
        ({}, True),
        ({"http_host": "0.0.0.0"}, False),
        ({"trusted_proxies": "127.0.0.1"}, False),
        ({"api_docs": False}, False),
        ({"http_host": "0.0.0.0", "api_docs": True}, True),
    ],
    ids=["this machine alone", "any address", "behind a proxy", "taken away", "wanted all the same"],
)
async def test_the_page_of_the_api_is_off_where_the_address_is_public(settings: dict[str, Any], is_there: bool) -> None:
    http = _http(_app(**settings))

    statuses = {(await http.get(path)).status_code for path in ("/docs", "/docs/swagger-ui.css")}

    assert statuses == {200 if is_there else 404}


PREFLIGHT = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}


async def test_by_default_no_other_site_may_use_the_api() -> None:
    http = _http(_app())

    answers = [
        await http.get("/v1/orders", headers={"Origin": SITE}),
        await http.options("/v1/orders", headers=PREFLIGHT),
    ]

    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_site_that_is_named_may_use_it_without_cookies_and_another_may_not() -> None:
    http = _http(_app(cors_origins=f"{SITE}, https://second.example"))

    asked = await http.options("/v1/orders", headers=PREFLIGHT)
    refused = await http.get("/v1/orders", headers={"Origin": SITE})
    other = await http.get("/v1/orders", headers={"Origin": "https://evil.example"})

    assert asked.headers["access-control-allow-origin"] == refused.headers["access-control-allow-origin"] == SITE
    assert "access-control-allow-credentials" not in asked.headers
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert "Retry-After" in refused.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origins", ["*", "https://*.example", "alpenhof.example", f"{SITE}/", "null", f"{SITE}, *"])
def test_a_site_is_named_by_its_origin(origins: str) -> None:
    with pytest.raises(ValidationError):
        _settings(cors_origins=origins)
