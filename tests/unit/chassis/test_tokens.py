"""Guest tokens: who is believed, and who is not."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from datetime import UTC, date, datetime
from typing import Any

import jwt
import pytest

from chassis.web.problems import ProblemError
from chassis.web.signing_keys import SharedSecret
from chassis.web.tokens import CLOCK_SKEW_SECONDS, LONGEST_TOKEN, Operator, OperatorRole, Tokens
from contracts.orders import Guest, Staff

SECRET = "a secret of this hotel, long enough for every HMAC: " + "x" * 32
ISSUER = "https://login.alpenhof.example"
TOKENS = Tokens(SharedSecret(SECRET), ISSUER, "bellhop")


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {
        "sub": "guest-anna",
        "role": "guest",
        "property": "alpenhof",
        "reservation": "res-1",
        "stay_from": "2026-07-03",
        "stay_to": "2026-07-06",
        "iss": ISSUER,
        "aud": "bellhop",
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _header(**changes: Any) -> str:
    return _signed(SECRET, "HS256", _claims(**changes))


def _signed(secret: str, algorithm: str, claims: dict[str, Any]) -> str:
    return "Bearer " + jwt.encode(claims, secret, algorithm=algorithm)


async def _refused(authorization: str | None) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        await TOKENS.guest(authorization)
    return raised.value


async def test_the_payer_of_a_token_has_the_address_for_a_receipt_and_shows_it_in_no_log_line() -> None:
    payer = await TOKENS.payer(_header(email="anna@b.example"))

    assert payer.receipt_email == "anna@b.example"
    assert payer.guest.guest_id == "guest-anna"
    assert "anna@b.example" not in repr(payer)


@pytest.mark.parametrize("email", ["not an address", 17, ["a@b.example"], "x" * 300])
async def test_an_address_that_cannot_be_used_does_not_refuse_the_token(email: object) -> None:
    payer = await TOKENS.payer(_header(email=email))

    assert payer.receipt_email is None


async def test_a_member_of_staff_pays_for_no_guest() -> None:
    with pytest.raises(ProblemError) as raised:
        await TOKENS.payer(_header(role="staff", email="desk@alpenhof.example"))

    assert raised.value.status == 403


async def test_a_good_token_says_who_the_guest_is() -> None:
    assert await TOKENS.guest(_header()) == Guest.model_validate(
        {
            "guest_id": "guest-anna",
            "property_id": "alpenhof",
            "reservation_id": "res-1",
            "stay_from": date(2026, 7, 3),
            "stay_to": date(2026, 7, 6),
        }
    )


@pytest.mark.parametrize(
    ("seconds", "believed"),
    [(-61, False), (-59, True), (0, True), (3600 + 59, True), (3600 + 60, False)],
    ids=["not yet issued", "issued by a clock ahead", "issued now", "just expired", "expired"],
)
async def test_a_token_is_judged_by_the_clock_that_is_given_with_a_minute_of_leeway(
    seconds: int, believed: bool
) -> None:
    issued = 1_782_896_400
    tokens = Tokens(
        SharedSecret(SECRET), ISSUER, "bellhop", clock=lambda: datetime.fromtimestamp(issued + seconds, UTC)
    )

    with nullcontext() if believed else pytest.raises(ProblemError):
        await tokens.guest(_header(iat=issued, exp=issued + 3600))


async def test_the_scheme_may_be_written_in_any_case() -> None:
    assert (await TOKENS.guest(_header().replace("Bearer", "bearer"))).guest_id == "guest-anna"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "token"])
async def test_no_token_is_401_and_says_how_to_send_one(authorization: str | None) -> None:
    problem = await _refused(authorization)

    assert problem.status == 401
    assert problem.headers == {"WWW-Authenticate": "Bearer"}
    assert "Authorization: Bearer" in problem.detail


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "Bearer", "é.é.é"])
async def test_garbage_is_401(token: str) -> None:
    assert (await _refused(f"Bearer {token}")).status == 401


async def test_an_expired_token_is_401_and_says_so() -> None:
    problem = await _refused(_header(exp=int(time.time()) - CLOCK_SKEW_SECONDS - 5))

    assert problem.status == 401
    assert "expired" in problem.detail


@pytest.mark.parametrize(
    "times", [{"exp": -30}, {"iat": +30}, {"nbf": +30}], ids=["expired", "issued in the future", "not yet valid"]
)
async def test_clocks_may_differ_by_a_minute(times: dict[str, int]) -> None:
    now = int(time.time())

    guest = await TOKENS.guest(_header(**{name: now + seconds for name, seconds in times.items()}))

    assert guest.guest_id == "guest-anna"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_token_from_the_future_is_401(claim: str) -> None:
    assert (await _refused(_header(**{claim: int(time.time()) + CLOCK_SKEW_SECONDS + 60}))).status == 401


@pytest.mark.parametrize(
    "changes",
    [{"iss": "https://evil.example"}, {"aud": "another-system"}, {"iss": ISSUER + "/"}, {"aud": ["x", "y"]}],
    ids=str,
)
async def test_a_token_of_another_issuer_or_for_another_audience_is_401(changes: dict[str, Any]) -> None:
    assert (await _refused(_header(**changes))).status == 401


async def test_a_token_signed_with_another_secret_is_401() -> None:
    assert (await _refused(_signed("another secret, as long as ours is " + "x" * 40, "HS256", _claims()))).status == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_a_token_signed_with_our_secret_by_another_algorithm_is_401(algorithm: str) -> None:
    assert (await _refused(_signed(SECRET, algorithm, _claims()))).status == 401


@pytest.mark.parametrize("none", ["none", "None", "NONE"])
async def test_an_unsigned_token_is_401(none: str) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    assert (await _refused(f"Bearer {part({'alg': none, 'typ': 'JWT'})}.{part(_claims())}.")).status == 401


async def test_a_token_changed_after_signing_is_401() -> None:
    head, _, signature = _header().removeprefix("Bearer ").split(".")
    claims = base64.urlsafe_b64encode(json.dumps(_claims(sub="guest-mallory")).encode()).decode().rstrip("=")

    assert (await _refused(f"Bearer {head}.{claims}.{signature}")).status == 401


@pytest.mark.parametrize(
    "claim", ["exp", "iat", "sub", "iss", "aud", "property", "reservation", "stay_from", "stay_to"]
)
async def test_a_missing_claim_is_401(claim: str) -> None:
    assert (await _refused(_header(**{claim: None}))).status == 401


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", ""),
        ("sub", "x" * 256),
        ("sub", "anna\0"),
        ("sub", "\ud800"),
        ("property", ""),
        ("property", "a\nb"),
        ("reservation", 7),
        ("stay_from", "soon"),
        ("stay_to", "2026-02-30"),
    ],
)
async def test_a_garbled_claim_is_401_and_named(claim: str, value: object) -> None:
    problem = await _refused(_header(**{claim: value}))

    assert problem.status == 401
    assert claim in problem.detail


@pytest.mark.parametrize("role", ["staff", "editor", "operator", "admin", "", None, ["guest"]])
async def test_a_token_of_another_role_is_403(role: object) -> None:
    problem = await _refused(_header(role=role))

    assert (problem.status, problem.name) == (403, "wrong-role")


async def test_a_refusal_never_repeats_the_token() -> None:
    header = _header(iss="https://evil.example")

    problem = await _refused(header)

    assert header.removeprefix("Bearer ") not in problem.detail


async def test_staff_and_operators_are_who_their_tokens_say() -> None:
    staff = await TOKENS.staff(_header(role="staff", sub="rosa"))
    operator = await TOKENS.operator(_header(role="operator", sub="olaf", property=None))

    assert staff == Staff.model_validate({"staff_id": "rosa", "property_id": "alpenhof"})
    assert operator == Operator(operator_id="olaf", role=OperatorRole.EDITOR)


@pytest.mark.parametrize(
    ("check", "role"),
    [
        (check, role)
        for check, allowed in (
            (TOKENS.guest, ["guest"]),
            (TOKENS.staff, ["staff", "reception", "manager", "owner"]),
            (TOKENS.guest_or_staff, ["guest", "staff", "reception", "manager", "owner"]),
            (TOKENS.operator, ["reader", "replayer", "editor", "operator"]),
        )
        for role in (
            *("guest", "staff", "reception", "manager", "owner", "reader", "replayer", "editor", "operator", "admin"),
            *("Guest", "Owner", None, ["operator"], ["staff"]),
        )
        if role not in allowed
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_no_role_passes_for_another(check: Callable[[str], Awaitable[object]], role: object) -> None:
    with pytest.raises(ProblemError) as raised:
        await check(_header(role=role))

    assert (raised.value.status, raised.value.name) == (403, "wrong-role")


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("reader", ["reader"]),
        ("replayer", ["reader", "replayer"]),
        ("editor", ["reader", "replayer", "editor"]),
        ("operator", ["reader", "replayer", "editor"]),  # deprecated
    ],
)
async def test_an_operators_role_allows_what_the_ones_before_it_allow(role: str, allowed: list[str]) -> None:
    header = _header(role=role, sub="olaf")

    for needed in OperatorRole:
        if needed in allowed:
            assert (await TOKENS.operator(header, needed)).operator_id == "olaf"
        else:
            with pytest.raises(ProblemError, match=f"This needs the role {needed}; the token's role is {role}"):
                await TOKENS.operator(header, needed)


async def test_a_token_longer_than_any_is_not_looked_into() -> None:
    assert (await _refused(_header(sub="x" * LONGEST_TOKEN))).status == 401


@pytest.mark.parametrize(
    "header",
    ['{"alg":"HS256","x":' + "[" * 4000, "[]", '"alg"', "{}", '{"alg":7}', '{"alg":"HS256","kid":7}', "NaN", "\ud800"],
    ids=["deeply nested", "a list", "a text", "empty", "alg a number", "kid a number", "no number", "half a surrogate"],
)
async def test_a_header_that_is_no_header_is_401(header: str) -> None:
    head = base64.urlsafe_b64encode(header.encode(errors="surrogatepass")).decode().rstrip("=")

    assert (await _refused(f"Bearer {head}.e30.e30")).status == 401


@pytest.mark.parametrize("value", [float("inf"), float("nan"), [], {}, "soon", True, 10**400], ids=str)
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
async def test_a_time_that_is_none_is_never_an_error_of_ours(claim: str, value: object) -> None:
    with suppress(ProblemError):
        await TOKENS.guest(_header(**{claim: value}))


@pytest.mark.parametrize("smuggled", ["jwk", "jku", "x5u"])
async def test_a_key_the_token_brings_along_is_not_believed(smuggled: str) -> None:
    own = "a secret of the attacker's own making " + "x" * 32
    key = {"kty": "oct", "k": base64.urlsafe_b64encode(own.encode()).decode().rstrip("=")}
    header = {smuggled: key if smuggled == "jwk" else "https://evil.example/keys"}

    signed = jwt.encode(_claims(), own, algorithm="HS256", headers=header)

    assert (await _refused(f"Bearer {signed}")).status == 401
