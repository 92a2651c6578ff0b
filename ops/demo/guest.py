"""A guest of the demo: everything goes over HTTP, as a browser would send it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product

import httpx

from client import GatewayClient, OrderUpdate, PaymentSession, PendingError, ProblemError, calls
from client.calls import Call, ResultT
from contracts.ids import ExtraId
from contracts.offers import ExtraView
from contracts.orders import OrderView, RequestedLine
from deploy.local.patience import patient
from deploy.local.stack import LocalStack

CARD_FINE = "4242424242424242"
CARD_DECLINED = "4000000000000002"
CARD_AUTHENTICATION = "4000002500003155"

NIGHTS = 4

PATIENCE = 30.0
"""Seconds a guest of the demo waits for an answer, and for the confirmation."""


class DemoError(Exception):
    """A step of the demo had an unexpected result."""


class Guest:
    """One guest with a token, in one browser."""

    def __init__(self, name: str, property_id: str, stack: LocalStack, http: httpx.AsyncClient) -> None:
        self.name = name
        self.first_day = datetime.now(UTC).date() + timedelta(days=7)
        last_day = self.first_day + timedelta(days=NIGHTS)
        token = stack.mint_token(name, property_id, f"R-{name}", self.first_day, last_day)
        self.gateway = GatewayClient(http, stack.gateway_url, token)
        self._psp = stack.sandbox_url or ""
        self._http = http

    async def extras(self) -> tuple[ExtraView, ...]:
        return (await self._insist(calls.list_extras())).extras

    async def order(self, extra_id: str, quantity: int, key: str | None = None) -> OrderView:
        """Press Order until there is an answer. `key` repeats an earlier press."""
        return await self._insist(calls.place_order([self.line(extra_id, quantity)], key=key or uuid.uuid4().hex))

    def line(self, extra_id: str, quantity: int) -> RequestedLine:
        """An extra on the first day of the stay."""
        return RequestedLine(extra_id=ExtraId(extra_id), quantity=quantity, day=self.first_day)

    async def order_a_slot(self, extra_id: str) -> OrderView | None:
        """Order the first time of the stay that is free. None: all are taken, by earlier demos on this stack."""
        extra = next(each for each in await self.extras() if each.extra_id == extra_id)
        days = (self.first_day + timedelta(days=after) for after in range(NIGHTS + 1))
        for day, slot in product(days, extra.slots):
            try:
                line = RequestedLine(extra_id=extra.extra_id, quantity=1, day=day, slot=slot)
                return await self._insist(calls.place_order([line], key=uuid.uuid4().hex))
            except ProblemError as refused:
                if refused.name != "out-of-stock":
                    raise
        return None

    async def open_payment(self, order_id: str) -> PaymentSession:
        return await self._insist(calls.start_payment(order_id))

    async def _insist(self, call: Call[ResultT]) -> ResultT:
        """The result of a call, sent again while it is late (202) or the gateway cannot give it (503), as browsers do.

        Raises TimeoutError after PATIENCE, ProblemError for every other refusal.
        """
        async with asyncio.timeout(patient(PATIENCE)):
            while True:
                try:
                    return await self.gateway.send(call)
                except (PendingError, ProblemError) as late:
                    if late.status not in (httpx.codes.ACCEPTED, httpx.codes.SERVICE_UNAVAILABLE):
                        raise
                    await asyncio.sleep(1.0 if late.retry_after is None else late.retry_after)

    async def pay(self, session: PaymentSession, card: str) -> str:
        """Confirm with the PSP directly, as its script does in a browser. Returns the intent's status."""
        form = {
            "client_secret": session.client_secret,
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": card,
            "payment_method_data[card][exp_month]": "12",
            "payment_method_data[card][exp_year]": "2034",
            "payment_method_data[card][cvc]": "123",
        }
        url = f"{self._psp}/v1/payment_intents/{intent_id(session)}/confirm"
        key = {"Authorization": f"Bearer {session.publishable_key}"}
        if session.connected_account is not None:
            key["Stripe-Account"] = session.connected_account
        answer = (await self._http.post(url, data=form, headers=key)).json()
        if "error" in answer:
            return str(answer["error"].get("decline_code") or answer["error"]["code"])
        return str(answer["status"])

    async def authenticate(self, session: PaymentSession) -> None:
        """Confirm in the bank's dialog."""
        url = f"{self._psp}/_sandbox/payment_intents/{intent_id(session)}/authenticate"
        (await self._http.post(url, json={"outcome": "succeed"})).raise_for_status()

    async def buy(self, extra_id: str, *, order_id: str | None = None) -> str:
        """Order one of an extra, unless `order_id` is ordered already, pay, and wait for the confirmation."""
        order_id = order_id or (await self.order(extra_id, 1)).order_id
        session = await self.open_payment(order_id)
        async with self.watching(order_id) as live:
            await self.pay(session, CARD_FINE)
            await live.next("orders.order-confirmed")
        return order_id

    async def see(self, order_id: str) -> OrderView:
        return await self._insist(calls.get_order(order_id))

    @asynccontextmanager
    async def watching(self, order_id: str) -> AsyncIterator["Watch"]:
        """The live stream of an order, open before anything else is done."""
        async with self.gateway.watch(order_id, idle_timeout=patient(PATIENCE)) as updates:
            watch = Watch(updates)
            await watch.next("orders.order-state")
            yield watch


class Watch:
    """The events of an order, read one by one."""

    def __init__(self, updates: AsyncIterator[OrderUpdate]) -> None:
        self._updates = updates

    async def next(self, event: str) -> OrderUpdate:
        """The next event with this name. Raises DemoError when the stream ends before, TimeoutError after PATIENCE."""
        async with asyncio.timeout(patient(PATIENCE)):
            async for update in self._updates:
                if update.event == event:
                    return update
        raise DemoError(f"the live stream ended without {event}")


def intent_id(session: PaymentSession) -> str:
    """The PSP's id of the payment."""
    return session.client_secret.partition("_secret_")[0]
