"""The first order, step by step: HTTP calls as the guest makes them, messages as they pass on the bus."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from aio_pika.abc import AbstractIncomingMessage
from rich.console import Console
from rich.markup import escape

from chassis.messaging.amqp import connection_for_tools
from deploy.local.patience import patient

STEPS = {
    "orders.place-order.v1": 2,
    "orders.order-pending-payment.v1": 3,
    "orders.start-payment.v1": 4,
    "payments.create-payment-session.v1": 5,
    "psp.create-psp-session.v1": 6,
    "psp.psp-session-created.v1": 7,
    "payments.payment-session-created.v1": 8,
    "psp.psp-payment-succeeded.v1": 11,
    "payments.payment-succeeded.v1": 12,
    "orders.order-confirmed.v1": 13,
}
"""The step of the flow each message carries; the others are HTTP."""


class Narrator:
    """Prints one line per thing that happened, in the order it was seen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = perf_counter()
        self.seen: set[int] = set()
        self._changed = asyncio.Condition()

    def narrate(self, step: int, what: str, detail: str = "") -> None:
        ms = (perf_counter() - self._began) * 1000
        self.seen.add(step)
        line = f"  {step:>2}  {ms:7.1f} ms  {escape(what):<46} [dim]{escape(detail)}[/]"
        self._console.print(line, soft_wrap=True)

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        kind = message.type or ""
        step = STEPS.get(kind)
        if step is None:
            return
        body = json.loads(message.body)
        arrow = "→" if message.exchange == "commands" else "·"
        self.narrate(step, f"{arrow} {kind}", f"{body['order_id']}  id {message.message_id}")
        async with self._changed:
            self._changed.notify_all()

    async def until_seen(self, steps: set[int]) -> None:
        """Wait until these steps were printed."""
        async with asyncio.timeout(patient(10)), self._changed:
            await self._changed.wait_for(lambda: steps <= self.seen)


@asynccontextmanager
async def narrate(amqp_url: str, console: Console) -> AsyncIterator[Narrator]:
    """A narrator that follows every command and event on the bus over an exclusive queue."""
    async with await connection_for_tools(amqp_url, "bellhop demo", timeout=10) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for exchange in ("commands", "events"):
            await queue.bind(exchange, "#")
        narrator = Narrator(console)
        await queue.consume(narrator.on_message, no_ack=True)
        yield narrator
