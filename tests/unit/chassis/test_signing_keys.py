"""The issuer's published keys: which are believed, for what, how long, and how rarely they are fetched."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chassis.web.problems import ProblemError
from chassis.web.signing_keys import MAX_STALE, MIN_REFETCH_INTERVAL, KeysUnavailableError, PublishedKeys, keys_of
from chassis.web.tokens import Tokens

ISSUER = "https://login.alpenhof.example"
RSA_KEY = rsa.generate_private_key(65537, 2048)
SHORT_RSA_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
EC_KEY = ec.generate_private_key(ec.SECP256R1())
NEW_EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())
CACHE = 300.0

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _jwk(key: Private, kid: str | None, **changes: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        said = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        said = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    said = {name: value for name, value in said.items() if name != "key_ops"} | {"kid": kid, **changes}
    return {name: value for name, value in said.items() if value is not None}


class Issuer:
    """Publishes keys, counts who asks for them, can be away; and a clock that stands still until it is moved."""

    def __init__(self, *keys: Mapping[str, Any]) -> None:
        self.document = json.dumps({"keys": keys}).encode()
        self.fetches = 0
        self.is_away = False
        self.now = 1000.0
        self.keys = PublishedKeys(self._fetch, CACHE, lambda: self.now)
        self.tokens = Tokens(self.keys, ISSUER, "bellhop")

    def publishes(self, *keys: Mapping[str, Any]) -> None:
        self.document = json.dumps({"keys": keys}).encode()

    async def _fetch(self) -> bytes:
        self.fetches += 1
        if self.is_away:
            raise httpx.ConnectError("no server")
        return self.document


def _token(key: Any, algorithm: str, kid: str | None = None) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "bellhop",
        "sub": "guest-anna",
        "iat": now,
        "exp": now + 3600,
        "role": "guest",
        "property": "alpenhof",
        "reservation": "res-1",
        "stay_from": "2026-07-03",
        "stay_to": "2026-07-06",
    }
    return "Bearer " + jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


async def _accepted(issuer: Issuer, authorization: str) -> bool:
    try:
        return (await issuer.tokens.guest(authorization)).guest_id == "guest-anna"
    except ProblemError as problem:
        if problem.status != 401:
            raise
        return False


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")], ids=["RS256", "ES256"])
async def test_a_token_signed_with_a_published_key_is_good(key: Private, algorithm: str) -> None:
    issuer = Issuer(_jwk(RSA_KEY, "r"), _jwk(EC_KEY, "e"))

    assert await _accepted(issuer, _token(key, algorithm, "r" if algorithm == "RS256" else "e"))


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA_KEY, "RS512", "r"),
        (RSA_KEY, "PS256", "r"),
        (EC_KEY, "ES256", "r"),
        (RSA_KEY, "RS256", "e"),
        (NEW_EC_KEY, "ES256", "e"),
        (RSA_KEY, "RS256", None),
        (RSA_KEY, "RS256", "unknown"),
        ("a secret of 32 characters or more, for HMAC", "HS256", "r"),
    ],
    ids=[
        "another algorithm of the same key",
        "another padding",
        "the id of another key",
        "the id of another kind of key",
        "another key under a known id",
        "no id",
        "an unknown id",
        "a secret",
    ],
)
async def test_a_token_is_believed_only_for_the_key_it_names_and_that_keys_algorithm(
    key: Any, algorithm: str, kid: str | None
) -> None:
    issuer = Issuer(_jwk(RSA_KEY, "r"), _jwk(EC_KEY, "e"))

    assert not await _accepted(issuer, _token(key, algorithm, kid))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER], ids=["pem", "der"])
@pytest.mark.parametrize("algorithm", ["HS256", "hs256", "none"])
async def test_a_public_key_is_no_secret(encoding: Encoding, algorithm: str) -> None:
    """Algorithm confusion: https://www.rfc-editor.org/rfc/rfc8725#section-2.1"""
    issuer = Issuer(_jwk(RSA_KEY, "r"))
    public = RSA_KEY.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    _, claims, _ = _token(RSA_KEY, "RS256", "r").removeprefix("Bearer ").split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "r"}).encode()).rstrip(b"=").decode()
    mac = hmac.new(public, f"{header}.{claims}".encode(), hashlib.sha256).digest()

    forged = f"Bearer {header}.{claims}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    assert not await _accepted(issuer, forged)


@pytest.mark.parametrize(
    "jwk",
    [
        _jwk(SHORT_RSA_KEY, "k"),
        _jwk(OTHER_CURVE, "k"),
        _jwk(RSA_KEY, "k", use="enc"),
        _jwk(RSA_KEY, "k", alg="RS512"),
        _jwk(RSA_KEY, "k", n=None),
        _jwk(RSA_KEY, "k", n="!"),
        _jwk(EC_KEY, "k", x=7),
        _jwk(RSA_KEY, None),
        _jwk(RSA_KEY, None) | {"kid": 7},
        RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True) | {"kid": "k"},
        {"kty": "oct", "kid": "k", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
    ],
    ids=[
        "RSA of 1024 bits",
        "another curve",
        "for encryption",
        "for another algorithm",
        "half a key",
        "garbled",
        "a number for a point",
        "no id",
        "a number for an id",
        "a private key",
        "a shared secret",
    ],
)
def test_a_key_of_no_use_is_left_out(jwk: dict[str, Any]) -> None:
    known = keys_of(json.dumps({"keys": [jwk, _jwk(EC_KEY, "good")]}).encode())

    assert set(known) == {"good"}


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [null, 1]}', b"\xff"])
def test_what_is_no_key_set_is_an_error(document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of json or our own, all the same
        keys_of(document)


async def test_the_key_set_is_fetched_once_and_kept_until_it_is_old() -> None:
    issuer = Issuer(_jwk(EC_KEY, "e"))

    for _ in range(20):
        assert await _accepted(issuer, _token(EC_KEY, "ES256", "e"))
    fetched_first = issuer.fetches
    issuer.now += CACHE + 1
    assert await _accepted(issuer, _token(EC_KEY, "ES256", "e"))

    assert (fetched_first, issuer.fetches) == (1, 2)


async def test_a_new_key_is_found_at_once_and_a_withdrawn_one_goes() -> None:
    issuer = Issuer(_jwk(EC_KEY, "old"))
    assert await _accepted(issuer, _token(EC_KEY, "ES256", "old"))

    issuer.publishes(_jwk(NEW_EC_KEY, "new"))
    issuer.now += MIN_REFETCH_INTERVAL

    assert await _accepted(issuer, _token(NEW_EC_KEY, "ES256", "new"))
    assert not await _accepted(issuer, _token(EC_KEY, "ES256", "old"))


async def test_a_flood_of_unknown_key_ids_does_not_hammer_the_issuer() -> None:
    issuer = Issuer(_jwk(EC_KEY, "e"))

    for number in range(200):
        issuer.now += MIN_REFETCH_INTERVAL / 100
        assert not await _accepted(issuer, _token(NEW_EC_KEY, "ES256", f"made-up-{number}"))

    assert issuer.fetches <= 3  # in 2 pauses


async def test_while_the_issuer_is_away_the_keys_it_had_go_on_for_a_day() -> None:
    issuer = Issuer(_jwk(EC_KEY, "e"))
    good = _token(EC_KEY, "ES256", "e")
    assert await _accepted(issuer, good)

    issuer.is_away = True
    issuer.now += MAX_STALE - 1
    still = await _accepted(issuer, good)
    issuer.now += 2
    with pytest.raises(KeysUnavailableError):
        await issuer.tokens.guest(good)
    issuer.is_away = False
    issuer.now += MIN_REFETCH_INTERVAL
    again = await _accepted(issuer, good)

    assert (still, again) == (True, True)


@pytest.mark.parametrize("document", [b"{}", b'{"keys": []}', b"<html>"])
async def test_a_key_set_that_went_bad_does_not_replace_a_good_one(document: bytes) -> None:
    issuer = Issuer(_jwk(EC_KEY, "e"))
    assert await _accepted(issuer, _token(EC_KEY, "ES256", "e"))

    issuer.document = document
    issuer.now += CACHE + 1

    assert await _accepted(issuer, _token(EC_KEY, "ES256", "e"))


async def test_without_any_keys_no_token_is_called_bad() -> None:
    issuer = Issuer()

    with pytest.raises(KeysUnavailableError):
        await issuer.tokens.guest(_token(EC_KEY, "ES256", "e"))
