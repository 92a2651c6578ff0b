"""The keys that tokens are signed with: one shared secret, or an issuer's published key set (JWKS, RFC 7517).

Each key is accepted for one algorithm, which follows from the key and never from the token: so a public key cannot be
used as a secret, and an unsigned token has no key at all.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from chassis.errors import TransientError

log = structlog.get_logger()

FETCH_TIMEOUT = 5.0
"""Seconds the issuer has to answer."""
MIN_REFETCH_INTERVAL = 10.0
"""Minimum of seconds between two fetches: invented key ids cannot cause a flood of requests to the issuer."""
MAX_STALE = 24 * 3600.0
"""Seconds a key set is used while the issuer is unavailable. Bounds how long a withdrawn key remains valid."""
_LARGEST = 256 * 1024
_SMALLEST_RSA = 2048
_ALGORITHM_OF: Mapping[tuple[str, str | None], str] = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the only algorithm it is accepted for."""

    key: Any
    algorithm: str


class KeysUnavailableError(TransientError):
    """The issuer's keys are unknown and cannot be fetched at present."""

    def __init__(self) -> None:
        super().__init__("the token issuer's keys are not known: its key set cannot be fetched")


class SigningKeys(Protocol):
    """A source of signing keys."""

    async def key(self, key_id: str | None) -> SigningKey | None:
        """The key with this id, none if there is no such key. Raises KeysUnavailableError."""
        ...


class SharedSecret:
    """One HS256 secret, whatever id a token names."""

    def __init__(self, secret: str) -> None:
        self._key = SigningKey(secret, "HS256")

    async def key(self, key_id: str | None) -> SigningKey | None:
        return self._key


class PublishedKeys:
    """The issuer's key set, fetched when it is first needed, when it is old, and when a token names an unknown key.

    A key that the issuer adds is accepted after the next fetch, one that it withdraws for at most `cache` seconds (or
    `MAX_STALE` while the issuer is unavailable).
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], cache: float, now: Callable[[], float] = monotonic
    ) -> None:
        self._fetch = fetch
        self._cache = cache
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None) -> SigningKey | None:
        known = key_id in self._keys
        # While another request fetches, a known key is used: a slow issuer delays one request, not all.
        if not known or (self._age() > self._cache and not self._fetching.locked()):
            await self._refresh()
        if self._age() > MAX_STALE:
            raise KeysUnavailableError
        return self._keys.get(key_id) if key_id is not None else None

    def _age(self) -> float:
        return self._now() - self._fetched

    async def _refresh(self) -> None:
        async with self._fetching:
            if self._now() - self._tried < MIN_REFETCH_INTERVAL:
                return
            self._tried = self._now()
            try:
                keys = keys_of(await self._fetch())
            except (httpx.HTTPError, OSError, ValueError, RecursionError) as error:
                log.warning("jwks.unavailable", error=repr(error))
                return
            self._keys, self._fetched = keys, self._now()
            log.info("jwks.fetched", keys=len(keys))


def keys_of(document: bytes) -> dict[str, SigningKey]:
    """The keys of a JWKS document that can verify a token, by their ids. Others are left out.

    Raises ValueError if it is not a JWKS document, or has no usable key.
    """
    parsed = json.loads(document)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWKS document: it has no list of keys")
    keys: dict[str, SigningKey] = {}
    for item in listed:
        if isinstance(item, dict) and isinstance(item.get("kid"), str) and (key := _usable(item)) is not None:
            keys[item["kid"]] = key
    if not keys:
        raise ValueError("the JWKS document has no RS256 or ES256 key with an id")
    return keys


def _usable(jwk: Mapping[str, Any]) -> SigningKey | None:
    """A public RSA key of 2048 bits or more is for RS256, one on the curve P-256 for ES256; nothing else counts."""
    algorithm = _ALGORITHM_OF.get((str(jwk.get("kty")), jwk.get("crv")))
    is_private = "d" in jwk
    if algorithm is None or is_private or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        key = PyJWK.from_dict(dict(jwk), algorithm=algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA:
        return None
    return SigningKey(key, algorithm)


def jwks_fetcher(url: str) -> Callable[[], Awaitable[bytes]]:
    """A function that fetches a key set: without redirects, within `FETCH_TIMEOUT` seconds, at most 256 KiB."""

    async def fetch() -> bytes:
        document = bytearray()
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            httpx.AsyncClient(timeout=FETCH_TIMEOUT) as http,
            http.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"{url} answers {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                document += chunk
                if len(document) > _LARGEST:
                    raise ValueError(f"{url} answers more than {_LARGEST} bytes")
        return bytes(document)

    return fetch
