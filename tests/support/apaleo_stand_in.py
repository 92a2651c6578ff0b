"""A stand-in of our own for Apaleo, stateful, for tests of the connector. It is not Apaleo's, and proves nothing of it.

It keeps to what is public of Apaleo's Finance API, as decision 56 lists it, and is strict where that is silent: fields
that are unknown or missing, amounts with too many decimals, and answers that it gives again under an Idempotency-Key,
failures included. It imports nothing of the connector.
"""

import asyncio
import base64
import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.serving import Served

Json = dict[str, Any]

CLIENT_ID, CLIENT_SECRET = "BELL-SP-HOP", "stand-in-client-secret"
PROPERTY = "MUC"
_DECIMALS = {"JPY": 0, "KWD": 3}
_VAT = {"Without", "VeryReduced", "Reduced", "Normal", "Special", "Special1", "Special2"}
_SERVICES = {"Other", "Accommodation", "FoodAndBeverages", "CityTax", "SecondCityTax"}
_METHODS = {"Other", "CreditCard", "Cash", "BankTransfer", "PayPal"}


class _ProblemError(Exception):
    def __init__(self, status: int, *messages: str) -> None:
        self.status = status
        self.messages = messages
        super().__init__(*messages)


@dataclass
class StandInFolio:
    """One folio. Amounts of entries are Decimals of the currency's major unit."""

    id: str
    reservation_id: str
    currency: str = "EUR"
    is_main: bool = True
    is_closed: bool = False
    property_id: str = PROPERTY
    charges: list[Json] = field(default_factory=list)
    allowances: list[Json] = field(default_factory=list)
    payments: list[Json] = field(default_factory=list)
    refunds: list[Json] = field(default_factory=list)

    @property
    def charged(self) -> Decimal:
        """What the hotel keeps: charges less allowances."""
        return _sum(self.charges) - _sum(self.allowances)

    @property
    def balance(self) -> Decimal:
        """What the guest owes."""
        return self.charged - _sum(self.payments) + _sum(self.refunds)

    def shown(self, expand: set[str]) -> Json:
        lists: Json = {
            name: _shown(getattr(self, name), self.currency)
            for name in ("charges", "payments", "allowances")
            if name in expand
        }
        actions = [] if self.is_closed else ["AddCharge", "AddAllowance", "AddPayment", "AddRefund"]
        return {
            "id": self.id,
            "type": "Guest",
            "status": "Closed" if self.is_closed else "Open",
            "isMainFolio": self.is_main,
            "reservation": {"id": self.reservation_id},
            "property": {"id": self.property_id},
            "balance": {"amount": float(self.balance), "currency": self.currency},
            **({"allowedActions": actions} if "allowedActions" in expand else {}),
            **lists,
        }


def _sum(entries: list[Json]) -> Decimal:
    return sum((each["amount"] for each in entries), Decimal(0))


def _shown(entries: list[Json], currency: str) -> list[Json]:
    """Charges and allowances show a gross amount with its VAT type, payments and refunds one amount."""
    return [{**each, "amount": _amount_shown(each, currency)} for each in entries]


def _amount_shown(entry: Json, currency: str) -> Json:
    number = float(entry["amount"])
    if "method" in entry:
        return {"amount": number, "currency": currency}
    return {"grossAmount": number, "currency": currency, "vatType": entry.get("vatType", "Normal")}


@dataclass
class StandIn:
    """What it has, what it was asked, and how it misbehaves next."""

    folios: dict[str, StandInFolio] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """For the next posts: `500`, `500 after`, `429`, `hang after`, or `` for none."""
    refuses_tokens: bool = False
    lacks_scopes: bool = False
    token_lifetime: int = 3600
    keys: dict[str, tuple[int, Json]] = field(default_factory=dict)
    posts: list[tuple[str, Json, str]] = field(default_factory=list)
    """Path, body and Idempotency-Key of all that came, repeated ones as well."""
    calls: int = 0
    """Requests with a valid token, of all kinds."""
    tokens_issued: int = 0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    _tokens: set[str] = field(default_factory=set)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.served = Served("the stand-in for Apaleo", self.app)

    @property
    def url(self) -> str:
        return self.served.url

    def reservation(self, reservation_id: str, *, folios: int = 1, **named: Any) -> StandInFolio:
        """A reservation with its folios, of which the first is the main one. Returns that."""
        for number in range(1, folios + 1):
            folio_id = f"{reservation_id}-{number}"
            self.folios[folio_id] = StandInFolio(folio_id, reservation_id, is_main=number == 1, **named)
        return self.folios[f"{reservation_id}-1"]

    def expire_keys(self) -> None:
        self.keys.clear()

    def withdraw_tokens(self) -> None:
        self._tokens.clear()

    def app(self) -> Starlette:
        folio, action = "/finance/v1/folios", "/finance/v1/folio-actions/{folio}"
        posts: Mapping[str, Callable[[StandInFolio, Json, Request], Json]] = {
            f"{action}/charges": self._charge,
            f"{action}/charges/{{charge}}/allowances": self._allowance,
            f"{folio}/{{folio}}/payments": self._payment,
            f"{folio}/{{folio}}/refunds": self._refund,
        }
        return Starlette(
            routes=[
                Route("/connect/token", self._token, methods=["POST"]),
                Route(folio, self._guarded(self._list), methods=["GET"]),
                Route(f"{folio}/{{folio}}/refunds", self._guarded(self._list_refunds), methods=["GET"]),
                *(Route(path, self._guarded(self._posting(make)), methods=["POST"]) for path, make in posts.items()),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = (await request.body()).decode()
        login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if self.refuses_tokens or request.headers.get("authorization") != f"Basic {login}":
            return JSONResponse({"error": "invalid_client"}, 400)
        if "grant_type=client_credentials" not in form:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        self.tokens_issued += 1
        return JSONResponse({"access_token": token, "expires_in": self.token_lifetime, "token_type": "Bearer"})

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
                return Response(status_code=401)
            self.calls += 1
            if self.lacks_scopes:
                return Response(status_code=403)
            return await answer(request)

        return endpoint

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        found = [
            each.shown(set(asked.get("expand", "").split(",")))
            for each in self.folios.values()
            if each.reservation_id in asked["reservationIds"].split(",")
            and each.property_id in asked.get("propertyIds", each.property_id).split(",")
        ]
        found.reverse()  # the main folio is not always the first
        return JSONResponse({"folios": found, "count": len(found)}) if found else Response(status_code=204)

    async def _list_refunds(self, request: Request) -> Response:
        folio = self.folios[request.path_params["folio"]]
        refunds = _shown(folio.refunds, folio.currency)
        refunds.reverse()
        return JSONResponse({"refunds": refunds, "count": len(refunds)}) if refunds else Response(status_code=204)

    def _posting(self, make: Callable[[StandInFolio, Json, Request], Json]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            body, key = await request.json(), request.headers.get("idempotency-key", "")
            self.posts.append((request.url.path, body, key))
            fault = self.faults.pop(0) if self.faults else ""
            if key in self.keys:
                status, said = self.keys[key]
                return JSONResponse(said, status)
            if fault == "429":
                return JSONResponse({"messages": ["slow down"]}, 429, {"Retry-After": "7"})
            status, said = (500, {"messages": ["broken"]}) if fault == "500" else self._made(make, request, body)
            if key:
                self.keys[key] = (status, said)
            if fault == "hang after":
                await self.let_go.wait()
            if fault == "500 after":
                return JSONResponse({"messages": ["broken"]}, 500)
            return JSONResponse(said, status)

        return answer

    def _made(
        self, make: Callable[[StandInFolio, Json, Request], Json], request: Request, body: Json
    ) -> tuple[int, Json]:
        folio = self.folios.get(request.path_params["folio"])
        try:
            if folio is None:
                raise _ProblemError(404, "no such folio")
            if folio.is_closed:
                raise _ProblemError(422, "the folio is closed")
            return 201, {"id": make(folio, body, request)["id"]}
        except _ProblemError as problem:
            return problem.status, {"messages": list(problem.messages)}

    def _charge(self, folio: StandInFolio, body: Json, _request: Request) -> Json:
        _fields(body, required={"name", "amount", "serviceType", "vatType"}, optional={"receipt", "businessDate"})
        if not body["name"] or body["vatType"] not in _VAT or body["serviceType"] not in _SERVICES:
            raise _ProblemError(422, "name, vatType or serviceType")
        return self._added(folio.charges, folio, body, "CHARGE")

    def _payment(self, folio: StandInFolio, body: Json, _request: Request) -> Json:
        _fields(body, required={"method", "amount"}, optional={"receipt", "businessDate"})
        _known_method(body)
        return self._added(folio.payments, folio, body, "PAY")

    def _refund(self, folio: StandInFolio, body: Json, _request: Request) -> Json:
        _fields(body, required={"method", "amount"}, optional={"receipt", "reason", "businessDate"})
        _known_method(body)
        if _amount(folio, body) > _sum(folio.payments) - _sum(folio.refunds):
            raise _ProblemError(422, "more than was paid")
        return self._added(folio.refunds, folio, body, "REF")

    def _allowance(self, folio: StandInFolio, body: Json, request: Request) -> Json:
        _fields(body, required={"reason", "amount"}, optional={"businessDate"})
        charge = next((each for each in folio.charges if each["id"] == request.path_params["charge"]), None)
        if charge is None:
            raise _ProblemError(404, "no such charge")
        given = [each for each in folio.allowances if each["sourceChargeId"] == charge["id"]]
        if _amount(folio, body) > charge["amount"] - _sum(given):
            raise _ProblemError(422, "more than is left of the charge")
        return self._added(folio.allowances, folio, {**body, "sourceChargeId": charge["id"]}, "ALL")

    def _added(self, entries: list[Json], folio: StandInFolio, body: Json, prefix: str) -> Json:
        entry = {**body, "id": f"{folio.id}-{prefix}-{next(self._ids)}", "amount": _amount(folio, body)}
        entries.append(entry)
        return entry


def _fields(body: Json, *, required: set[str], optional: set[str]) -> None:
    if missing := required - body.keys():
        raise _ProblemError(422, *(f"{each} is required" for each in sorted(missing)))
    if unknown := body.keys() - required - optional:
        raise _ProblemError(400, *(f"{each} is unknown" for each in sorted(unknown)))


def _known_method(body: Json) -> None:
    if body["method"] not in _METHODS:
        raise _ProblemError(422, "method")


def _amount(folio: StandInFolio, body: Json) -> Decimal:
    amount = Decimal(str(body["amount"]["amount"]))
    if body["amount"]["currency"] != folio.currency:
        raise _ProblemError(422, "the folio has another currency")
    if amount <= 0 or amount != round(amount, _DECIMALS.get(folio.currency, 2)):
        raise _ProblemError(422, "amount")
    return amount
