"""A guest of the demo: everything goes over HTTP, as a browser would send it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.local.stack import LocalStack

CARD_FINE = "4242424242424242"
CARD_DECLINED = "4000000000000002"
CARD_AUTHENTICATION = "4000002500003155"

PATIENCE = 30.0
"""Seconds a guest of the demo waits for the confirmation."""


class DemoError(Exception):
    """Something in the demo did not go as it must."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open payment session, as the gateway answered it."""

    order_id: str
    client_secret: str
    publishable_key: str

    @property
    def intent_id(self) -> str:
        return self.client_secret.partition("_secret_")[0]


class Guest:
    """One guest with a token, in one browser."""

    def __init__(self, name: str, property_id: str, stack: LocalStack, http: httpx.AsyncClient) -> None:
        self.name = name
        self.first_day = datetime.now(UTC).date() + timedelta(days=7)
        last_day = self.first_day + timedelta(days=4)
        token = stack.mint_token(name, property_id, f"R-{name}", self.first_day, last_day)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._gateway = stack.gateway_url
        self._psp = stack.sandbox_url or ""
        self._http = http

    async def extras(self) -> list[dict[str, Any]]:
        response = await self._http.get(f"{self._gateway}/v1/extras", headers=self._headers)
        return list(_json(response, 200)["extras"])

    async def order(self, extra_id: str, quantity: int, key: str | None = None) -> dict[str, Any]:
        """Press Order. `key` repeats an earlier press."""
        line = {"extra_id": extra_id, "quantity": quantity, "day": self.first_day.isoformat()}
        headers = {**self._headers, "Idempotency-Key": key or uuid.uuid4().hex}
        response = await self._http.post(f"{self._gateway}/v1/orders", json={"lines": [line]}, headers=headers)
        return _json(response, 201)

    async def open_payment(self, order_id: str) -> Session:
        url = f"{self._gateway}/v1/orders/{order_id}/payment-session"
        answer = _json(await self._http.post(url, headers=self._headers), 201)
        return Session(order_id, answer["client_secret"], answer["publishable_key"])

    async def pay(self, session: Session, card: str) -> str:
        """Confirm with the PSP directly, as its script does in a browser. Returns the intent's status."""
        form = {
            "client_secret": session.client_secret,
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": card,
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "2034",
            "payment_method_data[card][cvc]": "123",
        }
        url = f"{self._psp}/v1/payment_intents/{session.intent_id}/confirm"
        key = {"Authorization": f"Bearer {session.publishable_key}"}
        answer = (await self._http.post(url, data=form, headers=key)).json()
        if "error" in answer:
            return str(answer["error"].get("decline_code") or answer["error"]["code"])
        return str(answer["status"])

    async def authenticate(self, session: Session) -> None:
        """Say yes in the bank's dialog."""
        url = f"{self._psp}/_sandbox/payment_intents/{session.intent_id}/authenticate"
        _json(await self._http.post(url, json={"outcome": "succeed"}), 200)

    async def see(self, order_id: str) -> dict[str, Any]:
        return _json(await self._http.get(f"{self._gateway}/v1/orders/{order_id}", headers=self._headers), 200)

    @asynccontextmanager
    async def watching(self, order_id: str) -> AsyncIterator["Watch"]:
        """The live stream of an order, open before anything else is done."""
        url = f"{self._gateway}/v1/orders/{order_id}/live"
        async with self._http.stream("GET", url, headers=self._headers, timeout=PATIENCE) as response:
            if response.status_code != 200:
                raise DemoError(f"the live stream answered {response.status_code}")
            watch = Watch(response.aiter_lines())
            await watch.next("orders.order-state")
            yield watch


class Watch:
    """Server-sent events, read one by one."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, event: str) -> dict[str, Any]:
        """The data of the next event with this name."""
        name = ""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:") and name == event:
                    return dict(json.loads(line.removeprefix("data:")))
        raise DemoError(f"the live stream ended without {event}")


def _json(response: httpx.Response, expected: int) -> dict[str, Any]:
    if response.status_code != expected:
        raise DemoError(
            f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}"
        )
    return dict(response.json())
