"""An operator at a terminal: runs commands against a system, and parks messages to have something to do."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aio_pika
from typer.testing import CliRunner

from contracts.ids import OrderId, payment_id_of
from contracts.message import Message
from contracts.money import Money
from contracts.payments import PaymentSucceeded
from ops.cli.main import app
from ops.core.target import Target
from tests.support.guest import ISSUER, JWT_SECRET, token
from tests.support.system import API_KEY, DEAD_QUEUES, System

NAME = "olga"

# The services run in this process, too, and log to the same place.
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    said: str

    @property
    def json(self) -> Any:
        lines = self.said.splitlines()
        start = max(number for number, line in enumerate(lines) if line in ("{", "[", "[]"))
        return json.loads("\n".join(lines[start:]))


@dataclass(frozen=True)
class Operator:
    """Types commands."""

    system: System

    async def runs(self, *words: str, code: int | None = 0) -> Answer:
        """Run `bellhop …`; fails when its exit code is another (None: any)."""
        env = {
            "BELLHOP_AMQP_URL": self.system.setup.amqp_url,
            "BELLHOP_MONGODB_URL": self.system.setup.mongodb_url,
            "BELLHOP_MONGODB_DATABASE": self.system.setup.database,
            "STRIPE_API_KEY": API_KEY,
            "BELLHOP_STRIPE_API_BASE": self.system.sandbox.url,
            "BELLHOP_JWT_SECRET": JWT_SECRET,
            "BELLHOP_JWT_ISSUER": ISSUER,
            "BELLHOP_SEAL_KEYS": self.system.setup.seal_key,
            "BELLHOP_OPERATOR_TOKEN": token(sub=NAME, role="editor"),
        }
        result = await asyncio.to_thread(CliRunner().invoke, app, list(words), env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert code is None or result.exit_code == code, f"exit code {result.exit_code}: {result.output}"
        printed = result.stdout if "--json" in words else result.output
        return Answer(result.exit_code, "\n".join(line for line in printed.splitlines() if not _LOG_LINE.match(line)))

    async def json(self, *words: str, code: int | None = 0) -> Any:
        return (await self.runs(*words, "--json", code=code)).json

    async def park(self, content: bytes | Message, kind: str, queue: str, message_id: str, error: str = "Oops") -> None:
        """As a service does it with what it cannot handle."""
        now = datetime.now(UTC).isoformat()
        body = content if isinstance(content, bytes) else content.to_wire()
        dead = next(name for name in DEAD_QUEUES if name.startswith(queue.split(".", maxsplit=1)[0]))
        message = aio_pika.Message(
            body,
            message_id=message_id,
            correlation_id="parked",
            type=kind,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={
                "origin_queue": queue,
                "error_type": error,
                "error": f"{error} happened",
                "attempt": 6,
                "first_failed_at": now,
                "last_failed_at": now,
            },
        )
        async with self.system.channel() as channel:
            exchange = await channel.get_exchange("dead", ensure=False)
            await exchange.publish(message, dead)


def target_of(system: System) -> Target:
    """Where that system is, as the operator's commands want to know it."""
    return Target(
        amqp_url=system.setup.amqp_url,
        mongodb_url=system.setup.mongodb_url,
        stripe_api_key=API_KEY,
        stripe_api_base=system.sandbox.url,
        database=system.setup.database,
        psp_accounts=system.setup.psp_accounts,
    )


UNKNOWN_ORDER = OrderId("ord_" + "q" * 26)


def of_unknown_order(number: int) -> PaymentSucceeded:
    """A fact about an order that no service has taken: it fails for ever."""
    order_id = OrderId(f"{UNKNOWN_ORDER[:-1]}{number}")
    return PaymentSucceeded(
        order_id=order_id, payment_id=payment_id_of(order_id), amount=Money(amount=100, currency="EUR")
    )
