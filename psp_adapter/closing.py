"""Answers what a closing asks of the PSP. Reads only."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from chassis.decision import Done, Outcome
from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Delivery, Publisher, send_reply
from contracts.closing import ListPspTransactions, NamePspOrders, PspTransactionsReply
from contracts.ids import OrderId
from psp_adapter.accounts import AccountNotConfiguredError, Accounts
from psp_adapter.errors import PspBrokenError, PspForbiddenError, PspUnavailableError
from psp_adapter.ledger import order_of
from psp_adapter.stripe_reader import StripeReader
from psp_adapter.transactions import transaction_of

log = structlog.get_logger()

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class ClosingHandlers:
    """Each asks the PSP once and replies; what the PSP refuses, or does not answer, is in the reply."""

    accounts: Accounts
    bus: Publisher

    def queries(self) -> Handlers:
        return {
            ListPspTransactions: self._replying(self._transactions),
            NamePspOrders: self._replying(self._orders),
        }

    def _replying(
        self, ask: Callable[[StripeReader, Any], Awaitable[PspTransactionsReply]]
    ) -> Callable[[Any, Delivery], Awaitable[Outcome[Any]]]:
        async def handle(query: Any, delivery: Delivery) -> Outcome[Any]:
            try:
                account = self.accounts.named(query.psp_account)
                await account.expected.check()
                reply = await ask(account.stripe, query)
            except (AccountNotConfiguredError, PspUnavailableError, PspForbiddenError, PspBrokenError) as error:
                log.warning("psp.query_failed", kind=query.kind, error=str(error))
                reply = PspTransactionsReply(problem=str(error))
            await send_reply(self.bus, delivery, reply)
            return Done()

        return handle

    async def _transactions(self, stripe: StripeReader, query: ListPspTransactions) -> PspTransactionsReply:
        created = {"gte": _seconds(query.since), "lt": _seconds(query.until)}
        after = {"starting_after": query.after} if query.after else {}
        page = await stripe.page("/v1/balance_transactions", expand=["data.source"], created=created, **after)
        transactions = tuple(
            transaction_of(raw, _named(raw.get("source"), stripe), stripe.account) for raw in page["data"]
        )
        last = transactions[-1].transaction_id if page["has_more"] and transactions else None
        return PspTransactionsReply(transactions=transactions, next=last)

    async def _orders(self, stripe: StripeReader, query: NamePspOrders) -> PspTransactionsReply:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def find(reference: str) -> tuple[str, str | None]:
            async with slots:
                intent = await stripe.find(f"/v1/payment_intents/{reference}")
                return reference, order_of(intent, stripe.installation) if intent is not None else None

        found = await asyncio.gather(*map(find, query.psp_references))
        return PspTransactionsReply(orders={reference: OrderId(name) for reference, name in found if name is not None})


def _named(source: Any, stripe: StripeReader) -> str | None:
    return order_of(source, stripe.installation) if isinstance(source, dict) else None


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
