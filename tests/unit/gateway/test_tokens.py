"""Guest tokens: who is believed, and who is not."""

import base64
import json
import time
from datetime import date
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from contracts.orders import Guest
from gateway.problems import ProblemError
from gateway.settings import GatewaySettings
from gateway.tokens import CLOCK_SKEW_SECONDS, Tokens

SECRET = "a secret of this hotel, long enough for every HMAC: " + "x" * 32
ISSUER = "https://login.alpenhof.example"
TOKENS = Tokens(
    GatewaySettings(
        amqp_url=SecretStr("amqp://localhost"),
        jwt_secret=SecretStr(SECRET),
        jwt_issuer=ISSUER,
        seal_keys=SecretStr(Fernet.generate_key().decode()),
    )
)


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


def _refused(authorization: str | None) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        TOKENS.guest(authorization)
    return raised.value


def test_a_good_token_says_who_the_guest_is() -> None:
    assert TOKENS.guest(_header()) == Guest.model_validate(
        {
            "guest_id": "guest-anna",
            "property_id": "alpenhof",
            "reservation_id": "res-1",
            "stay_from": date(2026, 7, 3),
            "stay_to": date(2026, 7, 6),
        }
    )


def test_the_scheme_may_be_written_in_any_case() -> None:
    assert TOKENS.guest(_header().replace("Bearer", "bearer")).guest_id == "guest-anna"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "token"])
def test_no_token_is_401_and_says_how_to_send_one(authorization: str | None) -> None:
    problem = _refused(authorization)

    assert problem.status == 401
    assert problem.headers == {"WWW-Authenticate": "Bearer"}
    assert "Authorization: Bearer" in problem.detail


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "Bearer", "é.é.é"])
def test_garbage_is_401(token: str) -> None:
    assert _refused(f"Bearer {token}").status == 401


def test_an_expired_token_is_401_and_says_so() -> None:
    problem = _refused(_header(exp=int(time.time()) - CLOCK_SKEW_SECONDS - 5))

    assert problem.status == 401
    assert "expired" in problem.detail


@pytest.mark.parametrize(
    "times", [{"exp": -30}, {"iat": +30}, {"nbf": +30}], ids=["expired", "issued in the future", "not yet valid"]
)
def test_clocks_may_differ_by_a_minute(times: dict[str, int]) -> None:
    now = int(time.time())

    guest = TOKENS.guest(_header(**{name: now + seconds for name, seconds in times.items()}))

    assert guest.guest_id == "guest-anna"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_401(claim: str) -> None:
    assert _refused(_header(**{claim: int(time.time()) + CLOCK_SKEW_SECONDS + 60})).status == 401


@pytest.mark.parametrize(
    "changes",
    [{"iss": "https://evil.example"}, {"aud": "another-system"}, {"iss": ISSUER + "/"}, {"aud": ["x", "y"]}],
    ids=str,
)
def test_a_token_of_another_issuer_or_for_another_audience_is_401(changes: dict[str, Any]) -> None:
    assert _refused(_header(**changes)).status == 401


def test_a_token_signed_with_another_secret_is_401() -> None:
    assert _refused(_signed("another secret, as long as ours is " + "x" * 40, "HS256", _claims())).status == 401


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_signed_with_our_secret_by_another_algorithm_is_401(algorithm: str) -> None:
    assert _refused(_signed(SECRET, algorithm, _claims())).status == 401


@pytest.mark.parametrize("none", ["none", "None", "NONE"])
def test_an_unsigned_token_is_401(none: str) -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    assert _refused(f"Bearer {part({'alg': none, 'typ': 'JWT'})}.{part(_claims())}.").status == 401


def test_a_token_changed_after_signing_is_401() -> None:
    head, _, signature = _header().removeprefix("Bearer ").split(".")
    claims = base64.urlsafe_b64encode(json.dumps(_claims(sub="guest-mallory")).encode()).decode().rstrip("=")

    assert _refused(f"Bearer {head}.{claims}.{signature}").status == 401


@pytest.mark.parametrize(
    "claim", ["exp", "iat", "sub", "iss", "aud", "property", "reservation", "stay_from", "stay_to"]
)
def test_a_missing_claim_is_401(claim: str) -> None:
    assert _refused(_header(**{claim: None})).status == 401


@pytest.mark.parametrize(
    ("claim", "value"),
    [("sub", ""), ("property", ""), ("reservation", 7), ("stay_from", "soon"), ("stay_to", "2026-02-30")],
)
def test_a_garbled_claim_is_401_and_named(claim: str, value: object) -> None:
    problem = _refused(_header(**{claim: value}))

    assert problem.status == 401
    assert claim in problem.detail


@pytest.mark.parametrize("role", ["staff", "admin", "", None, ["guest"]])
def test_a_token_of_another_role_is_403(role: object) -> None:
    problem = _refused(_header(role=role))

    assert (problem.status, problem.name) == (403, "wrong-role")


def test_a_refusal_never_repeats_the_token() -> None:
    header = _header(iss="https://evil.example")

    problem = _refused(header)

    assert header.removeprefix("Bearer ") not in problem.detail
