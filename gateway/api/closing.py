"""A property's closing for its staff: read from the services over the bus, computed as `bellhop closing` does."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from chassis.closing.day import Closing, Line, close, is_on, order_ids, window
from chassis.web.problems import ProblemError, unavailable
from contracts.closing import (
    ClosingOrder,
    ClosingOrdersReply,
    ClosingPayment,
    ClosingPaymentsReply,
    ListClosingOrders,
    ListClosingPayments,
    ListPspTransactions,
    NamePspOrders,
    PspTransactionsReply,
    Transaction,
)
from contracts.ids import OrderId, PropertyId
from contracts.message import Message, Query
from gateway.api.bus_gateway import ReplyT, expected

MOST_PAGES = 30
"""Pages of the PSP's transactions, of 100 each: what fits into the time of one request."""
_AT_A_TIME = 100
"""Ids of one query."""

Ask = Callable[[Message], Awaitable[Message]]
_Booked = tuple[ClosingOrder, ClosingPayment | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClosingReader:
    """Reads one property's day. Every method raises ProblemError, and what `ask` raises."""

    ask: Ask
    property_id: PropertyId
    day: date

    async def read(self) -> Closing:
        """The closing with its lines of the property's own orders, totals, bridges and differences."""
        found, psp_accounts = await self._placed()
        placed = sorted(found, key=lambda order: order.created_at)
        moved = [one for account in psp_accounts for one in await self._moved(account)]
        moved.sort(key=lambda one: one.at, reverse=True)
        orders = {order.order_id: order for order in (*await self._orders(order_ids(moved)), *placed)}
        payments = await self._payments(list(orders))
        lines = [
            Line(one, order, payments.get(order.order_id))
            for one in moved
            if (order := orders.get(OrderId(one.order_id or ""))) is not None
            and is_on(one.at, self.day, order.time_zone)
        ]
        return close(
            Closing(
                day=self.day,
                property_id=self.property_id,
                account_zone="UTC",
                orders=tuple((order, payments.get(order.order_id)) for order in placed),
                lines=tuple(lines[::-1]),  # the PSP lists the newest first
                payouts=(),
            )
        )

    async def _get(self, query: Query, reply_type: type[ReplyT]) -> ReplyT:
        reply = expected(await self.ask(query), reply_type)
        if isinstance(reply, PspTransactionsReply) and reply.problem is not None:
            raise unavailable("The payment provider does not answer at the moment. Please try again later.")
        return reply

    async def _placed(self) -> tuple[list[ClosingOrder], tuple[str, ...]]:
        """The orders that were placed that day, and the accounts at the PSP of the property's orders."""
        found: list[ClosingOrder] = []
        after = None
        while True:
            query = ListClosingOrders(property_id=self.property_id, day=self.day, after=after)
            page = await self._get(query, ClosingOrdersReply)
            found += page.orders
            after = page.next
            if after is None:
                return found, page.psp_accounts

    async def _orders(self, ids: Sequence[OrderId]) -> list[ClosingOrder]:
        found: list[ClosingOrder] = []
        for part in _parts(ids):
            query = ListClosingOrders(property_id=self.property_id, order_ids=part)
            found += (await self._get(query, ClosingOrdersReply)).orders
        return found

    async def _payments(self, ids: Sequence[OrderId]) -> Mapping[OrderId, ClosingPayment]:
        found: dict[OrderId, ClosingPayment] = {}
        for part in _parts(ids):
            reply = await self._get(ListClosingPayments(order_ids=part), ClosingPaymentsReply)
            found |= {payment.order_id: payment for payment in reply.payments}
        return found

    async def _moved(self, psp_account: str) -> list[Transaction]:
        """An account's transactions around the day, each with the order whose payment holds its session; else with the
        one that metadata names, which people can edit."""
        listed = await self._transactions(psp_account)
        named: dict[str, str | None] = {}
        for one in listed:
            if one.psp_reference and one.psp_reference not in named:
                named[one.psp_reference] = one.order_id
        for part in _parts(list(named)):
            named |= (await self._get(ListClosingPayments(psp_references=part), ClosingPaymentsReply)).holders
        for part in _parts([reference for reference, order_id in named.items() if order_id is None]):
            query = NamePspOrders(psp_account=psp_account, psp_references=part)
            named |= (await self._get(query, PspTransactionsReply)).orders
        return [one.model_copy(update={"order_id": named.get(one.psp_reference)}) for one in listed]

    async def _transactions(self, psp_account: str) -> list[Transaction]:
        since, until = window(self.day)
        found: list[Transaction] = []
        after = None
        for _ in range(MOST_PAGES):
            query = ListPspTransactions(psp_account=psp_account, since=since, until=until, after=after)
            page = await self._get(query, PspTransactionsReply)
            found += page.transactions
            after = page.next
            if after is None:
                return found
        raise ProblemError(
            422,
            "closing-too-large",
            "Closing too large",
            f"The account has more than {MOST_PAGES * 100} transactions around this day: use `bellhop closing`.",
        )


def _parts(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    return (tuple(items[first : first + _AT_A_TIME]) for first in range(0, len(items), _AT_A_TIME))
