"""The hotel's desk: what staff ask for, and what the PSP's own books say."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from client import GatewayClient, OrderUpdate, calls
from client.calls import Call
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from ops.core.audit import Audit, audit
from ops.core.target import Target
from tests.support.guest import Guest, Json, body, token
from tests.support.system import API_KEY, GOOD_CARD, System
from tests.support.waiting import PATIENCE, until

TOTAL: int = 4800
"""Cents; what BREAKFAST costs."""

REASON = "asked at the desk"


@dataclass(frozen=True)
class Desk:
    """A member of staff at a property's desk."""

    system: System
    http: httpx.AsyncClient

    @classmethod
    def of(cls, system: System, property_id: str = "alpenhof") -> "Desk":
        signed = token(
            sub="stf_vroni", role="staff", property=property_id, reservation=None, stay_from=None, stay_to=None
        )
        return cls(system, system.browser(f"Bearer {signed}"))

    async def answer(self, call: Call[Any]) -> httpx.Response:
        """What the gateway answers to a call, as it came."""
        return await GatewayClient(self.http).response(call)

    async def look(self, order_id: str) -> httpx.Response:
        """What the gateway answers when it is asked for the order now."""
        return await self.answer(calls.get_order(order_id))

    async def cancel(self, order_id: str) -> httpx.Response:
        return await self.answer(calls.cancel_order(order_id, reason=REASON))

    async def approve(self, order_id: str, *without_lines: int, reason: str = REASON) -> httpx.Response:
        return await self.answer(calls.approve_order(order_id, without_lines=without_lines, reason=reason))

    async def decline(self, order_id: str, reason: str = REASON) -> httpx.Response:
        return await self.answer(calls.decline_order(order_id, reason=reason))

    async def fulfil(self, order_id: str) -> httpx.Response:
        return await self.answer(calls.fulfil_order(order_id))

    async def refund(
        self, order_id: str, amount: int | None = None, *, key: str | None = None, currency: str = "EUR"
    ) -> httpx.Response:
        """Refund this many minor units, or all that is left."""
        money = None if amount is None else Money(amount=amount, currency=currency)
        return await self.refund_of(order_id, money, key=key)

    async def refund_of(self, order_id: str, amount: Money | None, *, key: str | None = None) -> httpx.Response:
        """Ask for a refund of any amount."""
        call = calls.refund_order(order_id, reason=REASON, amount=amount, key=key or uuid.uuid4().hex)
        return await self.answer(call)

    async def retry(self, order_id: str, refund_id: str) -> httpx.Response:
        return await self.answer(calls.retry_refund(order_id, refund_id, reason=REASON))

    async def settle_outside(
        self, order_id: str, refund_id: str, amount: int, *, currency: str = "EUR"
    ) -> httpx.Response:
        """The guest was given this many minor units in another way."""
        money = Money(amount=amount, currency=currency)
        return await self.answer(calls.settle_refund_outside(order_id, refund_id, reason=REASON, amount=money))

    async def sees(self, order_id: str) -> Json:
        """The order as staff see it."""
        return body(await self.look(order_id), 200)

    async def resolve(
        self, order_id: str, resolution: str, amount: int | None = None, *, currency: str = "EUR"
    ) -> httpx.Response:
        """Decide a review; `amount`: so many minor units went past the PSP."""
        money = None if amount is None else Money(amount=amount, currency=currency)
        call = calls.resolve_review(order_id, ReviewResolution(resolution), reason=REASON, amount=money)
        return await self.answer(call)


async def cancel(guest: Guest, order_id: str) -> httpx.Response:
    """The guest changes their mind."""
    return await guest.answer(calls.cancel_order(order_id))


async def paid_order(system: System, guest: Guest, *lines: Json, card: str = GOOD_CARD) -> str:
    """An order that is confirmed and paid."""
    order_id: str = (await guest.order(*lines))["order_id"]
    body(await system.pay(await guest.session(order_id), card), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    return order_id


async def refunds_of(system: System, order_id: str) -> list[Json]:
    """Every refund the PSP has for an order, failed ones included."""
    refunds: list[Json] = []
    for intent in await system.intents(order_id):
        refunds += (await system.at_psp("refunds", payment_intent=intent["id"], limit=100))["data"]
    return refunds


async def kept(system: System, order_id: str) -> int:
    """What the PSP's own books hold for an order: captured less given back, in minor units."""
    captured = sum(intent["amount_received"] for intent in await system.intents(order_id))
    back = sum(r["amount"] for r in await refunds_of(system, order_id) if r["status"] in ("succeeded", "pending"))
    return int(captured - back)


async def intent_of(system: System, order_id: str) -> Json:
    """The only PaymentIntent of an order."""
    intents = await system.intents(order_id)
    assert len(intents) == 1, f"{len(intents)} PaymentIntents for {order_id}"
    return intents[0]


async def change_amount(intent_id: str, amount: int, system: System) -> None:
    """Another user of the secret key changes the amount of an open PaymentIntent."""
    await write_at_psp(system, f"payment_intents/{intent_id}", {"amount": str(amount)})


async def write_at_psp(system: System, path: str, fields: Mapping[str, str]) -> Json:
    """As a person in the dashboard, or another system with the account's secret key, would."""
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{system.sandbox.url}/v1/{path}"
        answer = await http.post(url, data=fields, headers={"Authorization": f"Bearer {API_KEY}"})
    return body(answer, 200)


async def payment_is(system: System, order_id: str, status: str) -> Json:
    """Wait until the payment service has the payment in this status; returns its state."""

    async def there() -> Json | None:
        document = await system.payment_of(order_id)
        return document["state"] if document and document["state"]["status"] == status else None

    return await until(there, f"the payment of {order_id} is {status}")


async def next_of(events: AsyncIterator[OrderUpdate], name: str) -> OrderUpdate:
    """The next event of this name on a live stream."""
    async for event in events:
        if event.event == name:
            return event
    raise AssertionError(f"the stream ended before {name}")


async def audited(system: System) -> Audit:
    """What `bellhop audit` says of a system."""
    target = Target(
        amqp_url=system.setup.amqp_url,
        mongodb_url=system.setup.mongodb_url,
        stripe_api_key=API_KEY,
        stripe_api_base=system.sandbox.url,
        database=system.setup.database,
        psp_accounts=system.setup.psp_accounts,
    )
    return await audit(target)


async def is_clean(system: System) -> None:
    """Wait until the audit finds nothing and nothing is parked: facts may still be on their way."""

    async def clean() -> bool:
        return not (await audited(system)).findings

    await until(clean, "the audit is clean", within=PATIENCE)
    assert set((await system.parked()).values()) == {0}
