"""A guest: a signed token, an HTTP client, and what a guest's page does with them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import jwt

from client import GatewayClient, OrderUpdate, calls
from client.calls import Call
from contracts.orders import RequestedLine
from tests.support.waiting import PATIENCE, until

JWT_SECRET = "a-secret-of-the-tests-with-more-than-32-bytes"
ISSUER = "tests"
AUDIENCE = "bellhop"
# Far ahead: days gone by cannot be ordered. The first is a Monday.
STAY_FROM, STAY_TO = date(2038, 2, 1), date(2038, 2, 8)
STAY_DAY = "2038-02-03"

Json = dict[str, Any]

BREAKFAST: Json = {"extra_id": "alm-breakfast", "quantity": 2, "day": STAY_DAY}
BREAKFAST_TOTAL = {"amount": 4800, "currency": "EUR"}
LATE_CHECKOUT: Json = {"extra_id": "alm-late-checkout", "quantity": 1}


def token(*, secret: str = JWT_SECRET, **claims: object) -> str:
    """A token as the hotel's login would sign it; claims given as None are left out."""
    now = datetime.now(UTC)
    usual: Json = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "gst_test",
        "iat": now,
        "exp": now + timedelta(hours=1),
        "role": "guest",
        "property": "alpenhof",
        "reservation": "res_test",
        "stay_from": STAY_FROM.isoformat(),
        "stay_to": STAY_TO.isoformat(),
    }
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(said, secret, algorithm="HS256")


@dataclass(frozen=True)
class Guest:
    """One guest's browser."""

    guest_id: str
    property_id: str
    http: httpx.AsyncClient

    async def answer(self, call: Call[Any]) -> httpx.Response:
        """What the gateway answers to a call, as it came."""
        return await GatewayClient(self.http).response(call)

    async def look(self, order_id: str) -> httpx.Response:
        """What the gateway answers when it is asked for the order now."""
        return await self.answer(calls.get_order(order_id))

    async def place(self, *lines: Json, key: str | None = None) -> httpx.Response:
        """Press Order. Without a key, a fresh one, as a page makes one per basket."""
        asked = [RequestedLine.model_validate(line) for line in lines or (BREAKFAST,)]
        return await self.answer(calls.place_order(asked, key=key or uuid.uuid4().hex))

    async def order(self, *lines: Json, key: str | None = None) -> Json:
        """An order that was taken."""
        return body(await self.place(*lines, key=key), 201)

    async def ask_for_session(self, order_id: str) -> httpx.Response:
        return await self.answer(calls.start_payment(order_id))

    async def session(self, order_id: str) -> Json:
        """An open payment session."""
        return body(await self.ask_for_session(order_id), 201)

    async def see(self, order_id: str) -> Json:
        """The order as the guest sees it now."""
        return body(await self.look(order_id), 200)

    async def orders(self) -> list[Json]:
        """The guest's orders, the newest first."""
        orders: list[Json] = body(await self.answer(calls.list_orders()), 200)["orders"]
        return orders

    async def sees(self, order_id: str, *, within: float = PATIENCE, **expected: object) -> Json:
        """Wait until the order shows these values, and return it."""
        last: Json = {}

        async def as_expected() -> Json | None:
            answer = await self.look(order_id)
            if answer.status_code != httpx.codes.OK:
                return None
            last.update(answer.json())
            return last if all(last.get(name) == value for name, value in expected.items()) else None

        try:
            return await until(as_expected, f"{order_id} shows {expected}", within=within) or {}
        except AssertionError as late:
            raise AssertionError(f"{late}; the order was {last}") from None

    def watching(self, order_id: str) -> AbstractAsyncContextManager[AsyncIterator[OrderUpdate]]:
        """The order's live stream, as an EventSource reads it."""
        return GatewayClient(self.http).watch(order_id, idle_timeout=PATIENCE)


def body(answer: httpx.Response, status: int) -> Json:
    """The JSON of an answer that has this status."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text}"
    parsed: Json = answer.json()
    return parsed


def problem(answer: httpx.Response, status: int, name: str) -> Json:
    """The problem document (RFC 9457) of an answer: its status, its stable type, and a sentence for a person."""
    said = body(answer, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["type"] == f"urn:bellhop:problem:{name}"
    assert said["status"] == status
    assert said["title"]
    assert len(said["detail"].split()) > 2, f"no sentence for a person: {said['detail']!r}"
    return said
