"""How much memory and time `bellhop audit` takes for many payments: `python -m benchmarks.audit --payments 1000000`.

The PSP's pages and the stores' documents are generated as they are read; the SDK, the parsing, the worksheet and the
rules are the real ones. What is measured is the audit, not the PSP's or a store's speed.
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

import httpx

from chassis.decision import StateT
from extras_service.order.state import Order
from ops.core.audit.run import Auditor
from payment_service.payment.state import Payment
from psp_adapter.ledger import Ledger
from psp_adapter.stripe_api import StripeApi

MOMENT = "2026-11-24T12:00:00Z"
EUROS = {"amount": 4800, "currency": "EUR"}
REFUNDED_ONE_IN = 20
GUEST = {
    "guest_id": "anna",
    "property_id": "alpenhof",
    "reservation_id": "R-1",
    "stay_from": "2026-11-24",
    "stay_to": "2026-11-30",
}


def suffix(number: int) -> str:
    return f"{number * 2_654_435_761 % 2**32:026x}"


def refund_of(number: int) -> int:
    """Cents that were refunded of this payment."""
    return 0 if number % REFUNDED_ONE_IN else 1000


def order(number: int) -> Order:
    refunded = refund_of(number)
    return Order.model_validate(
        {
            "order_id": f"ord_{suffix(number)}",
            "payment_id": f"pay_{suffix(number)}",
            "guest": GUEST,
            "guest_key": "alpenhof/anna",
            "requested": [],
            "lines": [],
            "total": EUROS,
            "status": "confirmed",
            "payment_status": "paid",
            "created_at": MOMENT,
            "pay_within": "PT30M",
            "received": EUROS,
            "refunded": {**EUROS, "amount": refunded} if refunded else None,
        }
    )


def payment(number: int) -> Payment:
    return Payment.model_validate(
        {
            "payment_id": f"pay_{suffix(number)}",
            "order_id": f"ord_{suffix(number)}",
            "amount": EUROS,
            "received": EUROS,
            "status": "succeeded",
            "paid_reference": f"pi_{number}",
        }
    )


def intent(number: int) -> dict[str, Any]:
    ids = {"order_id": f"ord_{suffix(number)}", "payment_id": f"pay_{suffix(number)}"}
    refund = {
        "id": f"re_{number}",
        "object": "refund",
        "amount": refund_of(number),
        "currency": "eur",
        "status": "succeeded",
        "created": 1_795_000_000,
        "metadata": ids | {"refund_id": f"ref_{number}"},
    }
    refunds = {"object": "list", "data": [refund] if refund_of(number) else [], "has_more": False}
    return {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 4800,
        "currency": "eur",
        "amount_received": 4800,
        "livemode": False,
        "created": 1_795_000_000,
        "metadata": ids,
        "latest_charge": {"id": f"ch_{number}", "object": "charge", "disputed": False, "refunds": refunds},
    }


@dataclass(frozen=True, slots=True)
class GeneratedStates(Generic[StateT]):
    """Documents that exist while they are read."""

    payments: int
    prefix: str
    make: Any

    async def ids(self, *, waiting: bool) -> AsyncIterator[str]:
        for number in range(0):
            yield f"{self.prefix}{suffix(number)}"

    async def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]:
        for number in range(self.payments if fields["status"] == "confirmed" else 0):
            yield f"{self.prefix}{suffix(number)}"

    async def count(self) -> int:
        return self.payments

    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]:
        return [(None, self.make(number_of(document_id))) for document_id in document_ids]


_INVERSE = pow(2_654_435_761, -1, 2**32)


def number_of(document_id: str) -> int:
    """The payment that an id was made for."""
    return int(document_id[4:], 16) * _INVERSE % 2**32


def psp_of(payments: int) -> StripeApi:
    """The real SDK over a transport that answers with pages of generated PaymentIntents."""

    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("starting_after")
        start = int(after[3:]) + 1 if after else 0
        numbers = range(start, min(start + 100, payments))
        page = {"object": "list", "data": [intent(number) for number in numbers], "has_more": start + 100 < payments}
        return httpx.Response(200, content=json.dumps(page).encode())

    api = StripeApi.connect("sk_test_benchmark", base="http://127.0.0.1:9", timeout=10, retries=0)
    api.http._client_async = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return api


async def measure(payments: int) -> None:
    orders: GeneratedStates[Order] = GeneratedStates(payments, "ord_", order)
    paid: GeneratedStates[Payment] = GeneratedStates(payments, "pay_", payment)
    began = time.perf_counter()
    result = await Auditor(orders, paid, Ledger(psp_of(payments), "bellhop")).run()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert (result.orders, result.findings) == (payments, ()), result.findings[:3]
    print(f"{payments:>9,} payments: {seconds:7.1f} s, at most {peak:,.0f} MiB of memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=100_000)
    wanted = parser.parse_args().payments
    for payments in (1000, wanted // 10, wanted):
        asyncio.run(measure(payments))


if __name__ == "__main__":
    main()
