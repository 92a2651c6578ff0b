"""Every route of the gateway is listed here with its roles; all others are refused before anything is done.

Nothing is connected: a request that gets past the check fails at the bus, as 500 or 503.
"""

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr
from structlog.testing import capture_logs

from contracts.staff_roles import NEEDED, StaffAction
from gateway.api import examples
from gateway.app import create_app
from gateway.settings import GatewaySettings

SECRET = "a secret of the tests, long enough for HMAC"
ORDER = "ord_" + "a" * 26
REFUND = "ref_" + "a" * 26
DESK = ("reception", "manager", "owner", "staff")
"""`staff` is deprecated: a manager."""
MONEY = ("manager", "owner", "staff")
OF_MANAGERS = ("cancel", "refund", "retry-refund", "settle-refund", "review", "closing", "webhooks")
ROLES = ("guest", *DESK, "reader", "replayer", "editor", "operator")

MAY: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/v1/extras"): ("guest",),
    ("GET", "/v1/property"): ("guest",),
    ("GET", "/v1/contact"): ("guest",),
    ("PUT", "/v1/contact"): ("guest",),
    ("DELETE", "/v1/contact"): ("guest",),
    ("POST", "/v1/orders"): ("guest",),
    ("GET", "/v1/orders"): ("guest",),
    ("POST", "/v1/orders/{order_id}/payment-session"): ("guest",),
    ("GET", "/v1/orders/{order_id}"): ("guest", *DESK),
    ("GET", "/v1/orders/{order_id}/receipt"): ("guest", *DESK),
    ("POST", "/v1/orders/{order_id}/cancel"): ("guest", *MONEY),
    ("GET", "/v1/orders/{order_id}/live"): ("guest", *DESK),
    ("GET", "/v1/staff/session"): DESK,
    ("GET", "/v1/staff/orders"): DESK,
    ("GET", "/v1/staff/day-sheet"): DESK,
    ("GET", "/v1/staff/closing"): MONEY,
    ("GET", "/v1/staff/closing.csv"): MONEY,
    ("GET", "/v1/staff/webhooks"): MONEY,
    ("GET", "/v1/staff/catalogue"): DESK,
    ("POST", "/v1/staff/catalogue"): ("owner",),
    ("PUT", "/v1/staff/catalogue/{extra_id}"): ("owner",),
    ("POST", "/v1/staff/catalogue/{extra_id}/retire"): ("owner",),
    ("POST", "/v1/staff/catalogue/order"): ("owner",),
    ("POST", "/v1/staff/pictures"): ("owner",),
    ("GET", "/v1/staff/property"): DESK,
    ("PUT", "/v1/staff/property"): ("owner",),
    ("GET", "/v1/staff/live"): DESK,
    ("POST", "/v1/orders/{order_id}/approve"): DESK,
    ("POST", "/v1/orders/{order_id}/decline"): DESK,
    ("POST", "/v1/orders/{order_id}/fulfil"): DESK,
    ("POST", "/v1/orders/{order_id}/refunds"): MONEY,
    ("POST", "/v1/orders/{order_id}/refunds/{refund_id}/retry"): MONEY,
    ("POST", "/v1/orders/{order_id}/refunds/{refund_id}/settled-outside"): MONEY,
    ("POST", "/v1/orders/{order_id}/review"): MONEY,
}
PUBLIC = {
    "/",
    "/desk",
    "/desk/{version}/{name}",
    "/docs",
    "/docs/{name}",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/page/theme/{name}.css",
    "/page/{version}/{name}",
    "/v1/pictures/{picture_id}/{size}",
}
QUERIES = dict.fromkeys(("/v1/staff/day-sheet", "/v1/staff/closing", "/v1/staff/closing.csv"), "?day=2027-02-03")
BODIES: dict[str, Any] = {
    "/v1/orders": {"lines": []},
    "/v1/orders/{order_id}/refunds": {"reason": "r"},
    "/v1/orders/{order_id}/refunds/{refund_id}/retry": {"reason": "r"},
    "/v1/orders/{order_id}/refunds/{refund_id}/settled-outside": {
        "amount": {"amount": 1, "currency": "EUR"},
        "reason": "r",
    },
    "/v1/orders/{order_id}/review": {"resolution": "accept", "reason": "r"},
    "/v1/staff/catalogue": {"extra_id": "alm-spa", "definition": examples.DEFINITION},
    "/v1/staff/catalogue/{extra_id}": {"version": 1, "definition": examples.DEFINITION},
    "/v1/staff/catalogue/{extra_id}/retire": {"version": 1},
    "/v1/staff/catalogue/order": {"extra_ids": []},
    "/v1/staff/property": {"version": 1, "definition": examples.PROPERTY["definition"]},
}


def _app() -> FastAPI:
    return create_app(
        GatewaySettings(
            amqp_url=SecretStr("amqp://unused"),
            jwt_secret=SecretStr(SECRET),
            jwt_issuer="tests",
            seal_keys=SecretStr(Fernet.generate_key().decode()),
        )
    )


APP = _app()
APP.state.live.close()  # a stream that is let in ends at once


def _token(role: str | None) -> str:
    now = int(time.time())
    claims = {
        "iss": "tests",
        "aud": "bellhop",
        "iat": now,
        "exp": now + 600,
        "sub": "user-1",
        "property": "alpenhof",
        "reservation": "R-1",
        "stay_from": "2027-02-01",
        "stay_to": "2027-02-08",
        "role": role,
    }
    return "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")


async def _asked(method: str, path: str, authorization: str | None) -> httpx.Response:
    transport = httpx.ASGITransport(app=APP, raise_app_exceptions=False)
    headers = {"Idempotency-Key": "k"} | ({"Authorization": authorization} if authorization else {})
    # Uncaught errors are expected here, and drawing them takes seconds.
    with capture_logs():
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.request(
                method,
                path.format(order_id=ORDER, refund_id=REFUND, extra_id="alm-spa") + QUERIES.get(path, ""),
                json=BODIES.get(path),
                headers=headers,
            )


def test_the_list_is_whole() -> None:
    """A new route is added to one of the two lists, on purpose."""
    listed = {(method, path) for method, path in _all_routes() if path not in PUBLIC}

    assert listed == set(MAY)


def _all_routes() -> set[tuple[str, str]]:
    found = set()
    for route in iter_route_contexts(APP.routes):
        found |= {(method, str(route.path)) for method in route.methods or ()}
    return {(method, path) for method, path in found if method != "HEAD"}


@pytest.mark.parametrize(("method", "path"), MAY)
@pytest.mark.parametrize("role", [*ROLES, "admin", "", None])
async def test_a_route_refuses_every_role_but_its_own(method: str, path: str, role: str | None) -> None:
    answer = await _asked(method, path, _token(role))

    if role in MAY[method, path]:
        assert answer.status_code not in (401, 403)
    else:
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:bellhop:problem:wrong-role"


async def test_a_refused_member_of_staff_learns_which_role_it_takes() -> None:
    answer = await _asked("POST", "/v1/orders/{order_id}/refunds", _token("reception"))

    assert answer.json()["detail"] == "This needs the role manager; the token's role is reception."


@pytest.mark.parametrize(
    ("role", "counts_as", "allowed"),
    [
        ("reception", "reception", {"see", "approve", "fulfil"}),
        ("manager", "manager", {"see", "approve", "fulfil", *OF_MANAGERS}),
        ("staff", "manager", {"see", "approve", "fulfil", *OF_MANAGERS}),
        ("owner", "owner", {action.value for action in StaffAction}),
    ],
)
async def test_a_member_of_staff_learns_what_their_role_allows(role: str, counts_as: str, allowed: set[str]) -> None:
    answer = await _asked("GET", "/v1/staff/session", _token(role))

    said = answer.json()
    assert (said["staff_id"], said["property_id"], said["role"]) == ("user-1", "alpenhof", counts_as)
    assert set(said["may"]) == allowed


def test_every_action_of_staff_needs_a_role() -> None:
    assert set(NEEDED) == set(StaffAction)


@pytest.mark.parametrize(("method", "path"), MAY)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic Zm9vOmJhcg==", "Bearer not.a.token"])
async def test_a_route_refuses_a_request_without_a_token(method: str, path: str, authorization: str | None) -> None:
    answer = await _asked(method, path, authorization)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
