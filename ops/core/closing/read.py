"""Reads the data of a closing from the PSP and both stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chassis.closing.day import (
    Closing,
    Line,
    Payout,
    close,
    is_on,
    order_ids,
    window,
)
from chassis.runtime.metrics import Metrics
from contracts.closing import ClosingOrder, ClosingPayment, Kind, Transaction
from contracts.ids import OrderId, PropertyId, payment_id_of
from contracts.orders import OrderStatus
from contracts.psp_accounts import DEFAULT_ACCOUNT
from extras_service.collections import ExtrasStore
from ops.core.target import Target
from payment_service.collections import PaymentStore
from psp_adapter.accounts import Accounts
from psp_adapter.ledger import order_of
from psp_adapter.stripe_reader import StripeReader
from psp_adapter.transactions import transaction_of

_BATCH = 500
_Booked = tuple[ClosingOrder, ClosingPayment | None]


class NoSuchPropertyError(Exception):
    """The catalogue does not have this property."""

    def __init__(self, property_id: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no property {property_id!r}. The catalogue has {', '.join(known) or 'none'}.")


async def closing(target: Target, day: date, property_id: str | None = None) -> Closing:
    """Close a day: of one property, or of all, each by its own time zone. Reads only.

    Raises NoSuchPropertyError, StoreUnavailableError, PspUnavailableError and PspForbiddenError.
    """
    store, psp = target.store(Metrics("closing")), target.psp()
    try:
        return close(
            await _Reader(ExtrasStore(store), PaymentStore(store), psp, target.installation, day, property_id).read()
        )
    finally:
        store.close()
        await psp.close()


@dataclass(frozen=True, slots=True)
class _Reader:
    extras: ExtrasStore
    payments: PaymentStore
    accounts: Accounts
    installation: str
    day: date
    property_id: str | None

    async def read(self) -> Closing:
        zones = await self.extras.extras.time_zones()
        if self.property_id is not None and self.property_id not in zones:
            raise NoSuchPropertyError(self.property_id, sorted(zones))
        named = {zones[self.property_id]} if self.property_id is not None else set(zones.values())
        account_zone = named.pop() if len(named) == 1 else "UTC"
        start, end = window(self.day)
        created = _bounds(start.timestamp(), end.timestamp())
        used = await self._accounts_of_property()
        stripes = [account.stripe for account in self.accounts if used is None or account.name in used]
        moved = [one for stripe in stripes for one in await self._transactions(stripe, created=created)]
        moved.sort(key=lambda one: one.at, reverse=True)
        lines = [line for line in await self._lines(moved) if self._is_wanted(line, account_zone)]
        payouts = [
            await self._payout(line.transaction)
            for line in lines
            if line.transaction.kind is Kind.PAYOUT and line.transaction.source
        ]
        return Closing(
            day=self.day,
            property_id=self.property_id,
            account_zone=account_zone,
            orders=tuple(await self._placed()),
            lines=tuple(lines[::-1]),  # the PSP lists the newest first
            payouts=tuple(payouts),
            shares={payout.payout_id: await self._shares(payout) for payout in payouts},
        )

    async def _accounts_of_property(self) -> frozenset[str] | None:
        """The accounts that the property has named so far; None: of all properties."""
        if self.property_id is None:
            return None
        hotel = await self.extras.property_of(PropertyId(self.property_id))
        return frozenset(hotel.psp_accounts if hotel else (DEFAULT_ACCOUNT,))

    def _is_wanted(self, line: Line, account_zone: str) -> bool:
        zone = line.order.time_zone if line.order else account_zone
        is_property = line.order is None or self.property_id in (None, line.property_id)
        return is_property and is_on(line.transaction.at, self.day, zone)

    async def _transactions(self, psp: StripeReader, **params: Any) -> list[Transaction]:
        """Those of an account, each with the order it is about: as the charge says, else as its PaymentIntent does."""
        named: dict[str, str | None] = {}
        found: list[Transaction] = []
        async for raw in psp.each("/v1/balance_transactions", expand=["data.source"], **params):
            reference = transaction_of(raw).psp_reference
            if reference and reference not in named:
                named[reference] = await self._named(psp, raw["source"], reference)
            found.append(transaction_of(raw, named.get(reference), psp.account))
        return found

    async def _named(self, psp: StripeReader, source: Mapping[str, Any], psp_reference: str) -> str | None:
        """The order whose payment holds the session; else the one that metadata names, which people can edit."""
        holders = await self.payments.holders.get([psp_reference])
        if psp_reference in holders:
            return holders[psp_reference].order_id
        if (order_id := order_of(source, self.installation)) is not None:
            return order_id
        intent = await psp.find(f"/v1/payment_intents/{psp_reference}")
        return order_of(intent, self.installation) if intent is not None else None

    async def _payout(self, transaction: Transaction) -> Payout:
        psp = self.accounts.named(transaction.psp_account).stripe
        contained = await self._transactions(psp, payout=transaction.source)
        return Payout(transaction.source, -transaction.amount, transaction.currency, tuple(contained))

    async def _shares(self, payout: Payout) -> Mapping[str, Any]:
        shares: dict[str, Any] = {}
        for line in await self._lines(payout.contained):
            if line.transaction.kind is not Kind.PAYOUT:
                shares[line.property_id] = shares.get(line.property_id, 0) + line.transaction.net
        return shares

    async def _lines(self, transactions: Sequence[Transaction]) -> list[Line]:
        booked = await self._booked(order_ids(transactions))
        return [Line(one, *booked.get(OrderId(one.order_id or ""), (None, None))) for one in transactions]

    async def _placed(self) -> list[_Booked]:
        """The orders that were placed that day."""
        start, end = window(self.day)
        ids = [
            OrderId(order_id)
            for status in OrderStatus
            async for order_id in self.extras.orders.ids(start, end, status=status)
        ]
        booked = (await self._booked(ids)).values()
        wanted = [
            (order, payment)
            for order, payment in booked
            if self.property_id in (None, order.guest.property_id)
            and is_on(order.created_at, self.day, order.time_zone)
        ]
        return sorted(wanted, key=lambda pair: pair[0].created_at)

    async def _booked(self, ids: Sequence[OrderId]) -> dict[OrderId, _Booked]:
        """Orders with their payments, by id."""
        booked: dict[OrderId, _Booked] = {}
        for first in range(0, len(ids), _BATCH):
            part = ids[first : first + _BATCH]
            found = await self.extras.orders.load_many(part)
            orders = [ClosingOrder.model_validate(order) for _, order in found]
            paid = await self.payments.payments.load_many([payment_id_of(order_id) for order_id in part])
            payments = {payment.order_id: ClosingPayment.model_validate(payment) for _, payment in paid}
            booked |= {order.order_id: (order, payments.get(order.order_id)) for order in orders}
        return booked


def _bounds(start: float, end: float) -> dict[str, int]:
    return {"gte": int(start), "lt": int(end)}
