"""Laws of the token check: whatever comes, it is believed only when it was signed, and nothing makes it fall over."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
from hypothesis import example
from hypothesis import given as each
from hypothesis import strategies as st

from chassis.web.problems import ProblemError
from chassis.web.signing_keys import SharedSecret
from chassis.web.tokens import Operator, Tokens
from contracts.orders import Guest, Staff

SECRET = "a secret of this hotel, long enough for every HMAC: " + "x" * 32
TOKENS = Tokens(SharedSecret(SECRET), "tests", "bellhop")
CHECKS: tuple[Callable[[str | None], Awaitable[Guest | Staff | Operator]], ...] = (
    TOKENS.guest,
    TOKENS.staff,
    TOKENS.guest_or_staff,
    TOKENS.operator,
)
ROLES_OF = {
    Guest: {"guest"},
    Staff: {"staff", "reception", "manager", "owner"},
    Operator: {"reader", "replayer", "editor", "operator"},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=6,
)


def _claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "tests",
        "aud": "bellhop",
        "iat": now,
        "exp": now + 3600,
        "sub": "anna",
        "role": "guest",
        "property": "alpenhof",
        "reservation": "R-1",
        "stay_from": "2027-02-01",
        "stay_to": "2027-02-08",
    }


def _believed(authorization: str | None) -> list[Guest | Staff | Operator]:
    """Whom the four checks take it for. Anything but a refusal with 401 or 403 goes through to the test."""
    believed = []
    for check in CHECKS:
        try:
            believed.append(asyncio.run(_awaited(check(authorization))))
        except ProblemError as problem:
            if problem.status not in (401, 403):
                raise
    return believed


async def _awaited(answer: Awaitable[Guest | Staff | Operator]) -> Guest | Staff | Operator:
    return await answer


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


HEADER = _part(b'{"alg": "HS256", "typ": "JWT"}')


@each(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.text().map(lambda text: f"Bearer {text}"))
def test_no_text_is_a_token(text: str) -> None:
    assert _believed(text) == []


@each(st.lists(st.binary(max_size=60).map(_part) | st.text(max_size=20), min_size=1, max_size=5))
def test_no_parts_make_a_token(parts: list[str]) -> None:
    assert _believed("Bearer " + ".".join(parts)) == []


@each(header=JSON | st.fixed_dictionaries({"alg": JSON | st.sampled_from(["none", "HS256", "RS256"]), "kid": JSON}))
@example(header={"alg": "none"})
@example(header={"alg": "HS256", "crit": ["b64"], "b64": False})
def test_no_header_makes_claims_believed(header: Any) -> None:
    head = _part(json.dumps(header).encode())
    claims = _part(json.dumps(_claims()).encode())

    for signature in ("", "e30", _part(b"\0" * 32)):
        assert _believed(f"Bearer {head}.{claims}.{signature}") == []


@each(data=st.data())
def test_a_token_changed_anywhere_is_no_longer_one(data: st.DataObject) -> None:
    token = jwt.encode(_claims(), SECRET, algorithm="HS256")
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.="))
    changed = token[:place] + other + token[place + 1 :]

    believed = _believed(f"Bearer {changed}")

    # The last character of a signature has bits that belong to no byte, so several spell the same signature.
    assert believed == [] or _meaning(changed) == _meaning(token)


def _meaning(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


@each(changes=st.dictionaries(st.sampled_from(sorted(_claims())), JSON | st.dates().map(str), max_size=4))
@example(changes={"sub": "anna\0alpenhof"})
@example(changes={"property": "\ud800"})
@example(changes={"exp": float("inf")})
@example(changes={"exp": 10**400})
@example(changes={"exp": float("nan")})
@example(changes={"role": "operator", "property": None})
@example(changes={"role": "reader", "property": None})
@example(changes={"role": ["editor"]})
def test_a_signed_token_is_exactly_whom_it_names_in_its_role_or_refused(changes: dict[str, Any]) -> None:
    claims = _claims() | changes
    # Signed by hand: another login's library may sign what PyJWT would not.
    signed = f"{HEADER}.{_part(json.dumps(claims).encode())}"
    signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{_part(signature)}"

    for who in _believed(f"Bearer {token}"):
        named = {Guest: "guest_id", Staff: "staff_id", Operator: "operator_id"}[type(who)]
        assert getattr(who, named) == claims["sub"]
        assert claims["role"] in ROLES_OF[type(who)]
        assert claims["sub"].isprintable()
        assert (claims["iss"], claims["aud"]) == ("tests", "bellhop") or "bellhop" in claims["aud"]
