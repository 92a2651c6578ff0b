"""Every route of the operator's page is listed here; all others but operators are refused before anything is done.

Nothing is connected: a request that gets past the check fails at the broker or the store, as 503;
a trace, asked of what is no order, as 404.
"""

import re
import time
from typing import Any

import httpx
import jwt
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.web.static_assets import KIT
from chassis.web.tokens import OperatorRole
from ops.web.app import create_app, target_of
from ops.web.files import FOLDER
from ops.web.settings import PageSettings
from tests.support.collector import kept_spans

SECRET = "a secret of the tests, long enough for HMAC"
APP = create_app(
    PageSettings(
        amqp_url=SecretStr("amqp://127.0.0.1:1/"),
        mongodb_url=SecretStr("mongodb://127.0.0.1:1/"),
        store_timeout=0.05,
        jwt_secret=SecretStr(SECRET),
        jwt_issuer="tests",
    )
)
READERS, REPLAYERS, EDITORS = OperatorRole
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/ops/api/dead/discard"): {"ids": ["dl_1"], "why": "w"},
    ("POST", "/ops/api/dead/put-back"): {"ids": ["dl_1"], "why": "w"},
    ("POST", "/ops/api/dead/restore"): {"ids": ["dl_1"], "why": "w"},
    ("POST", "/ops/api/dead/{letter_id}/edit"): {"why": "w"},
    ("POST", "/ops/api/plans"): {},
    ("POST", "/ops/api/plans/{plan_id}/run"): {"why": "w"},
    ("POST", "/ops/api/plans/{plan_id}/pause"): {},
}
OPERATORS = {
    ("GET", "/ops/api/queues"): READERS,
    ("GET", "/ops/api/orders"): READERS,
    ("GET", "/ops/api/log"): READERS,
    ("GET", "/ops/api/audit-log"): READERS,
    ("GET", "/ops/api/dead"): READERS,
    ("GET", "/ops/api/dead/{letter_id}"): READERS,
    ("POST", "/ops/api/dead/discard"): REPLAYERS,
    ("POST", "/ops/api/dead/put-back"): REPLAYERS,
    ("POST", "/ops/api/dead/restore"): REPLAYERS,
    ("POST", "/ops/api/dead/{letter_id}/edit"): EDITORS,
    ("GET", "/ops/api/plans"): READERS,
    ("POST", "/ops/api/plans"): REPLAYERS,
    ("GET", "/ops/api/plans/{plan_id}"): READERS,
    ("POST", "/ops/api/plans/{plan_id}/run"): REPLAYERS,
    ("POST", "/ops/api/plans/{plan_id}/pause"): REPLAYERS,
    ("GET", "/ops/api/trace/{order}"): READERS,
    ("GET", "/ops/api/trace/{order}.svg"): READERS,
}
PUBLIC = {"/", "/ops", "/ops/page/{version}/{name}", "/health/live", "/health/ready", "/metrics"}


def _token(role: str | None, **claims: Any) -> str:
    now = int(time.time())
    usual = {"iss": "tests", "aud": "bellhop", "iat": now, "exp": now + 600, "sub": "user-1", "role": role}
    guests = {"property": "alpenhof", "reservation": "R-1", "stay_from": "2027-02-01", "stay_to": "2027-02-08"}
    return "Bearer " + jwt.encode(usual | guests | claims, SECRET, algorithm="HS256")


async def _asked(method: str, path: str, authorization: str | None) -> httpx.Response:
    transport = httpx.ASGITransport(app=APP, raise_app_exceptions=False)
    headers = {"Authorization": authorization} if authorization else {}
    with capture_logs():
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as http:
            address = path.format(letter_id="dl_1", plan_id="rp_1", order="unknown")
            return await http.request(method, address, json=BODIES.get((method, path)), headers=headers)


def test_the_list_is_whole() -> None:
    found = {(method, str(route.path)) for route in iter_route_contexts(APP.routes) for method in route.methods or ()}

    assert {(method, path) for method, path in found if path not in PUBLIC} == set(OPERATORS)


@pytest.mark.parametrize(("method", "path"), OPERATORS)
async def test_a_route_takes_operators_of_its_role_and_refuses_all_others(method: str, path: str) -> None:
    too_little = [role.value for role in OperatorRole if not role.allows(OPERATORS[method, path])]
    enough = [role.value for role in OperatorRole if role.allows(OPERATORS[method, path])]

    for role in ("guest", "staff", "admin", "", None, *too_little):
        answer = await _asked(method, path, _token(role))
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:bellhop:problem:wrong-role"), role
    for role in (*enough, "operator"):
        answer = await _asked(method, path, _token(role))
        assert answer.status_code == (404 if "trace" in path else 503), role


@pytest.mark.parametrize(("method", "path"), OPERATORS)
async def test_a_route_refuses_a_request_without_a_good_token(method: str, path: str) -> None:
    expired = _token("editor", iat=1, exp=2)
    elsewhere = _token("editor", aud="another-system")

    for authorization in (None, "", "Bearer", "Basic Zm9vOmJhcg==", "Bearer not.a.token", expired, elsewhere):
        answer = await _asked(method, path, authorization)
        assert answer.status_code == 401, authorization
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_page_needs_no_token_and_may_run_nothing_but_its_own_scripts() -> None:
    answer = await _asked("GET", "/ops", None)

    assert answer.status_code == 200
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_pages_own_files_are_light_and_name_no_other_site() -> None:
    files = [file.read_text() for folder in (FOLDER, KIT) for file in folder.iterdir()]

    assert sum(len(text.encode()) for text in files) < 60 * 1024
    assert set(re.findall(r"https?://[^/\"' )]+", "".join(files))) == {"http://www.w3.org"}


def test_the_page_waits_for_the_store_as_long_as_its_settings_say() -> None:
    settings = PageSettings(
        amqp_url=SecretStr("amqp://127.0.0.1:1/"),
        mongodb_url=SecretStr("mongodb://127.0.0.1:1/"),
        store_timeout=0.7,
        jwt_secret=SecretStr(SECRET),
        jwt_issuer="tests",
    )

    assert target_of(settings).store_timeout == 0.7


async def test_a_request_has_a_span_with_its_route_and_without_what_it_is_about() -> None:
    with kept_spans() as kept:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://ops") as client:
            await client.get("/ops/api/dead/dl_of_a_guest", headers={"Authorization": "Bearer x"})

    (span,) = kept.get_finished_spans()
    assert span.name == "GET /ops/api/dead/{letter_id}"
    assert "dl_of_a_guest" not in span.to_json()
