"""The only file that calls Apaleo.

What it relies on is public: https://apaleo.dev (guides on the POS integration, on OAuth and on rate limits), and the
paths and fields of the Finance API as published clients of it have them. docs/decisions/0056-a-connector-for-apaleo.md
says which of it could not be verified: nothing was ever tried against Apaleo itself.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self, TypeVar, assert_never
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from chassis.amounts import major_units
from chassis.errors import TransientError
from chassis.runtime.startup import VERSION
from connectors.apaleo.folios import Entry, Folio, Target
from connectors.apaleo.postings import Allowance, AnyPosting, Charge, Payment, Refund
from connectors.apaleo.settings import ApaleoSettings
from contracts.money import Money

ShownT = TypeVar("ShownT", bound=BaseModel)

_EARLY = 60.0
"""Seconds before its end from which a token is not used any more."""
_LONGEST_WAIT = 3600
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _NO_CONTENT = 401, 403, 429, 204
_LATER = frozenset((408, 409, 425, _TOO_MANY))
"""Refusals that a later attempt may not meet."""


class ApaleoUnavailableError(TransientError):
    """Apaleo gave no answer, or one that says nothing of this posting: the same call may succeed later."""

    def __init__(self, said: str, *, has_answered: bool = False, retry_after: int | None = None) -> None:
        self.has_answered = has_answered
        """It has: nothing of the call is under way any more."""
        self.retry_after = retry_after
        """Seconds."""
        super().__init__(said)


class ApaleoRefusedError(Exception):
    """Apaleo will not do this. Its own words are not kept: they may name a guest."""

    def __init__(self, doing: str, status: int) -> None:
        self.status = status
        super().__init__(f"Apaleo answered {status} to {doing}")


@dataclass(slots=True)
class _Token:
    value: str
    until: float


@dataclass(slots=True)
class ApaleoApi:
    """The Finance API, as a client with credentials of the hotel's own (OAuth 2, client credentials)."""

    http: httpx.AsyncClient
    url: str
    identity_url: str
    client_id: str
    client_secret: str = field(repr=False)
    _token: _Token | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, settings: ApaleoSettings) -> Self:
        """With the settings' time-out for each call. Nothing connects here."""
        http = httpx.AsyncClient(
            timeout=settings.apaleo_timeout,
            trust_env=False,
            headers={"User-Agent": f"Bellhop/{VERSION}", "Accept": "application/json"},
        )
        url, identity_url = settings.apaleo_url.rstrip("/"), settings.apaleo_identity_url.rstrip("/")
        secret = settings.apaleo_client_secret.get_secret_value()
        return cls(http, url, identity_url, settings.apaleo_client_id, secret)

    async def close(self) -> None:
        await self.http.aclose()

    async def folios(self, reservation_id: str, property_id: str) -> tuple[Folio, ...]:
        """The folios of a reservation at a property of Apaleo's, without refunds. None: it is unknown there."""
        found = await self._get(
            "/finance/v1/folios",
            "a request for folios",
            reservationIds=reservation_id,
            propertyIds=property_id,
            expand="charges,payments,allowances,allowedActions",
        )
        return _shown(Folio, _listed(found, "folios"))

    async def refunds(self, folio_id: str) -> tuple[Entry, ...]:
        """The refunds on a folio, the newest first."""
        found = await self._get(f"/finance/v1/folios/{_part(folio_id)}/refunds", "a request for refunds")
        return _shown(Entry, _listed(found, "refunds"))

    async def post(self, posting: AnyPosting, target: Target, key: str) -> str:
        """Make one posting, under an Idempotency-Key. Returns its id."""
        folio, charge = _part(target.folio_id), _part(target.charge_id or "")
        body: dict[str, Any] = {"amount": _money(posting.amount)}
        match posting:
            case Charge(name=name, service_type=service_type, vat_type=vat_type):
                path, doing = f"/finance/v1/folio-actions/{folio}/charges", "a charge"
                body |= {"name": name, "serviceType": service_type, "vatType": vat_type, "receipt": posting.reference}
            case Payment(method=method):
                path, doing = f"/finance/v1/folios/{folio}/payments", "a payment"
                body |= {"method": method, "receipt": posting.reference}
            case Allowance():
                path, doing = f"/finance/v1/folio-actions/{folio}/charges/{charge}/allowances", "an allowance"
                body |= {"reason": posting.reference}
            case Refund(method=method):
                # Of the folio, not of the payment: that one would be carried out, and the guest has the money already.
                path, doing = f"/finance/v1/folios/{folio}/refunds", "a refund"
                body |= {"method": method, "receipt": posting.reference}
            case _:
                assert_never(posting)
        answer = await self._asked("POST", path, doing, json=body, headers={"Idempotency-Key": key})
        posted = answer.get("id")
        if not isinstance(posted, str):
            raise ApaleoUnavailableError(f"Apaleo's answer to {doing} names no id", has_answered=True)
        return posted

    async def _get(self, path: str, doing: str, **params: str) -> dict[str, Any]:
        return await self._asked("GET", path, doing, params=params)

    async def _asked(self, method: str, path: str, doing: str, **named: Any) -> dict[str, Any]:
        headers = named.pop("headers", {})
        for is_last in (False, True):
            token = await self._valid_token()
            bearer = {"Authorization": f"Bearer {token.value}", **headers}
            response = await self._sent(doing, method, f"{self.url}{path}", headers=bearer, **named)
            if response.status_code != _UNAUTHORIZED or is_last:
                break
            if self._token is token:  # withdrawn before its time
                self._token = None
        _require_success(response, doing)
        if response.status_code == _NO_CONTENT:
            return {}
        return _parsed(response, doing)

    async def _valid_token(self) -> _Token:
        async with self._asking:
            if self._token is None or self._token.until <= monotonic():
                self._token = await self._new_token()
            return self._token

    async def _new_token(self) -> _Token:
        doing = "a request for a token"
        response = await self._sent(
            doing,
            "POST",
            f"{self.identity_url}/connect/token",
            data={"grant_type": "client_credentials"},
            auth=httpx.BasicAuth(self.client_id, self.client_secret),
        )
        if 400 <= response.status_code < 500 and response.status_code != _TOO_MANY:
            raise ApaleoUnavailableError(
                f"Apaleo answered {response.status_code} to {doing}: look at BELLHOP_APALEO_CLIENT_ID and "
                "BELLHOP_APALEO_CLIENT_SECRET"
            )
        _require_success(response, doing)
        said = _parsed(response, doing)
        value, lifetime = said.get("access_token"), said.get("expires_in")
        if not isinstance(value, str) or not isinstance(lifetime, int | float):
            raise ApaleoUnavailableError(f"Apaleo's answer to {doing} has no token")
        return _Token(value, monotonic() + max(lifetime / 2, lifetime - _EARLY))

    async def _sent(self, doing: str, method: str, url: str, **named: Any) -> httpx.Response:
        try:
            return await self.http.request(method, url, **named)
        except httpx.HTTPError as error:
            raise ApaleoUnavailableError(f"no answer from Apaleo to {doing}: {type(error).__name__}") from None


def _require_success(response: httpx.Response, doing: str) -> None:
    status = response.status_code
    if response.is_success:
        return
    said = f"Apaleo answered {status} to {doing}"
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        raise ApaleoUnavailableError(
            f"{said}: the client lacks a scope, look at its rights at Apaleo (docs/apaleo.md)", has_answered=True
        )
    if 400 <= status < 500 and status not in _LATER:
        raise ApaleoRefusedError(doing, status)
    raise ApaleoUnavailableError(said, has_answered=True, retry_after=_asked_pause(response))


def _asked_pause(response: httpx.Response) -> int | None:
    asked = response.headers.get("retry-after", "").strip()
    is_number = asked.isascii() and asked.isdigit() and len(asked) < 10
    return min(int(asked), _LONGEST_WAIT) if is_number else None


def _parsed(response: httpx.Response, doing: str) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ApaleoUnavailableError(f"Apaleo's answer to {doing} is not a JSON object", has_answered=True)
    return said


def _listed(said: dict[str, Any], name: str) -> list[Any]:
    found = said.get(name)
    return found if isinstance(found, list) else []


def _shown(kind: type[ShownT], found: list[Any]) -> tuple[ShownT, ...]:
    try:
        return tuple(kind.model_validate(each) for each in found)
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) for each in error.errors()})
        raise ApaleoUnavailableError(
            f"Apaleo's list has other fields than expected: {', '.join(places)[:200]}"
        ) from None


def _part(text: str) -> str:
    return quote(text, safe="")


def _money(money: Money) -> dict[str, Any]:
    """In major units, as a JSON number: exact for all amounts that the PSP takes, of 15 digits at most."""
    return {"amount": float(major_units(money)), "currency": money.currency}
