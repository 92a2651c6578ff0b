"""Guests who order, pay and wait for the confirmation: so many at once, for so many orders."""

import asyncio
import uuid
from dataclasses import dataclass, field
from time import perf_counter
from typing import Self

import httpx

from benchmarks.figures import Measured, percentile
from benchmarks.processes import processor_seconds, sums
from client import PaymentSession, PendingError, ProblemError, calls
from deploy.local.stack import LocalStack
from deploy.management import PLAIN_HTTP
from ops.demo.guest import CARD_FINE, Guest

EXTRA = "alm-breakfast"
PROPERTY = "alpenhof"
_CLIENTS = 16


@dataclass(slots=True)
class Driven:
    """What driving some orders took. Times in seconds."""

    orders: int
    seconds: float = 0.0
    bought: list[float] = field(default_factory=list)
    """From the first click to the confirmation."""
    confirmed: list[float] = field(default_factory=list)
    """From the card's confirmation to the order's."""
    processor: dict[str, float] = field(default_factory=dict)
    """Of each part."""

    @property
    def rate(self) -> float:
        return self.orders / self.seconds


class Driver:
    """Guests of one stack. Used as a context, which closes its connections."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        # httpx looks through all of a client's connections at each request.
        self._clients = [
            httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None), trust_env=False, verify=PLAIN_HTTP)
            for _ in range(_CLIENTS)
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for http in self._clients:
            await http.aclose()

    @property
    def http(self) -> httpx.AsyncClient:
        return self._clients[0]

    def guest(self, number: int) -> Guest:
        return Guest(f"load-{number}", PROPERTY, self.stack, self._clients[number % _CLIENTS])

    async def buy(self, guest: Guest, driven: Driven) -> None:
        """One order from the first click to the confirmation."""
        began = perf_counter()
        order_id, _ = await placed(guest, uuid.uuid4().hex)
        session = await opened(guest, order_id)
        async with guest.watching(order_id) as live:
            paying = perf_counter()
            await guest.pay(session, CARD_FINE)
            await live.next("orders.order-confirmed")
        driven.confirmed.append(perf_counter() - paying)
        driven.bought.append(perf_counter() - began)

    async def drive(self, orders: int, guests: int) -> Driven:
        """Each guest buys, and begins again as soon as the order is confirmed."""
        driven, turns = Driven(orders), asyncio.Semaphore(guests)

        async def one(turn: int) -> None:
            async with turns:
                await self.buy(self.guest(turn % guests), driven)

        before, began = processor_seconds(self.stack), perf_counter()
        await asyncio.gather(*(one(turn) for turn in range(orders)))
        driven.seconds = perf_counter() - began
        await asyncio.sleep(1.2)  # outboxes are cleared, and the PSP's other events handled, after the confirmation
        after = processor_seconds(self.stack)
        driven.processor = {name: after[name] - seconds for name, seconds in before.items()}
        return driven


async def placed(guest: Guest, key: str) -> tuple[str, bool]:
    """The id of a new order, and whether it was answered in time (201, not 202). Raises ProblemError."""
    try:
        order = await guest.gateway.send(calls.place_order([guest.line(EXTRA, 1)], key=key))
        return order.order_id, True
    except PendingError as pending:
        return pending.order_id, False


async def opened(guest: Guest, order_id: str) -> PaymentSession:
    """The order's payment session, asked for again while it is late."""
    while True:
        try:
            return await guest.gateway.send(calls.start_payment(order_id))
        except PendingError as pending:
            await asyncio.sleep(pending.retry_after or 1)
        except ProblemError as refusal:
            if refusal.status not in (404, 503):  # 404: the order still waits to be handled
                raise
            await asyncio.sleep(refusal.retry_after or 1)


def note(measured: Measured, driven: Driven, prefix: str, parts: bool = True) -> None:
    """Note the figures of one drive."""
    measured.note(f"{prefix}: paid orders", "1/s", driven.rate)
    for share in (0.5, 0.95, 0.99):
        name = f"{prefix}: first click to confirmed, {share * 100:.0f} %"
        measured.note(name, "ms", percentile(driven.bought, share) * 1000)
    measured.note(f"{prefix}: card to confirmed, 50 %", "ms", percentile(driven.confirmed, 0.5) * 1000)
    spent = (driven.processor if parts else {}) | sums(driven.processor)
    for name, seconds in spent.items():
        measured.note(f"{prefix}: processor, {name}", "ms/order", seconds / driven.orders * 1000)
