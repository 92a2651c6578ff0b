"""The PSP's ledger: what it holds for each payment, read from its lists.

One entry per PaymentIntent, with its refunds and disputes. Amounts are in major units and exact, even where the PSP
counts finer than we do. A missing or null field never aborts the reading: the entry names what could not be read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from contracts.psp import PspDisputeState, PspRefundState
from contracts.psp_accounts import DEFAULT_ACCOUNT
from psp_adapter.stripe_money import in_major_units
from psp_adapter.stripe_objects import INSTALLATION, id_of, is_release
from psp_adapter.stripe_reader import StripeReader
from psp_adapter.translate import dispute_state, refund_state

_T = TypeVar("_T")
_Raw = Mapping[str, Any]

_WITH_REFUNDS = "latest_charge.refunds"
_AT_ONCE = 8
"""Concurrent requests for single objects."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class LedgerRefund(_Value):
    """One refund. `refund_id` is Bellhop's, None for one made in the dashboard."""

    psp_refund_id: str
    refund_id: str | None
    amount: Decimal
    state: PspRefundState
    created: datetime


class LedgerDispute(_Value):
    """One dispute. `status` is the PSP's own term."""

    dispute_id: str
    amount: Decimal
    currency: str = ""
    """Empty: the payment's own."""
    state: PspDisputeState
    status: str
    created: datetime


class LedgerEntry(_Value):
    """One PaymentIntent. `order_id` comes from its metadata, which people can edit; None if that names no order of this
    installation."""

    psp_reference: str
    order_id: str | None
    psp_account: str = DEFAULT_ACCOUNT
    currency: str
    captured: Decimal
    refunds: tuple[LedgerRefund, ...] = ()
    disputes: tuple[LedgerDispute, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Objects of this payment that could not be read, each with the reason."""

    def refunded(self, state: PspRefundState) -> Decimal:
        return sum((refund.amount for refund in self.refunds if refund.state is state), Decimal())

    def disputed(self, *states: PspDisputeState) -> Decimal:
        """The sum of the disputes in these states: at most what was captured, and all of it for another currency."""
        amounts = (
            dispute.amount if dispute.currency in ("", self.currency) else self.captured
            for dispute in self.disputes
            if dispute.state in states
        )
        return min(self.captured, sum(amounts, Decimal()))


@dataclass(frozen=True, slots=True)
class Ledger:
    """Reads this installation's part of the PSP's account."""

    stripe: StripeReader
    installation: str
    """BELLHOP_INSTALLATION: the name of this installation among several on one account."""

    async def entries(self, since: datetime | None = None) -> AsyncIterator[LedgerEntry]:
        """All entries; with `since`, those with objects made since then. One may occur twice.

        Raises PspUnavailableError and PspForbiddenError.
        """
        made = {} if since is None else {"created": {"gte": int(since.timestamp())}}
        intents = self.stripe.each("/v1/payment_intents", expand=[f"data.{_WITH_REFUNDS}"], **made)
        async for entry in _in_batches(intents, self._entry):
            yield entry
        if since is not None:
            for path in ("/v1/refunds", "/v1/disputes"):
                async for entry in _in_batches(self.stripe.each(path, **made), self._entry_of_part):
                    yield entry

    async def find(self, psp_reference: str) -> LedgerEntry | None:
        """The current entry of one PaymentIntent; None if it is unknown to the PSP, or another installation's."""
        raw = await self.stripe.find(f"/v1/payment_intents/{psp_reference}", expand=[_WITH_REFUNDS])
        return await self._entry(raw) if raw is not None else None

    async def find_all(self, psp_references: Sequence[str]) -> list[LedgerEntry]:
        """The entries of these PaymentIntents, read a few at a time."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def find(psp_reference: str) -> LedgerEntry | None:
            async with slots:
                return await self.find(psp_reference)

        found = await asyncio.gather(*map(find, psp_references))
        return [entry for entry in found if entry is not None]

    async def _entry_of_part(self, raw: _Raw) -> LedgerEntry | None:
        reference = id_of(raw.get("payment_intent"))
        return await self.find(reference) if reference else None

    async def _entry(self, raw: _Raw) -> LedgerEntry | None:
        charge = raw.get("latest_charge")
        refunds, disputes = await self._refunds(raw, charge), await self._disputes(raw, charge)
        entry = ledger_entry(raw, refunds, disputes, installation=self.installation)
        return entry.model_copy(update={"psp_account": self.stripe.account})

    async def _refunds(self, intent: _Raw, charge: object) -> Sequence[_Raw]:
        listed = charge.get("refunds") if isinstance(charge, Mapping) else None
        if isinstance(listed, Mapping) and not listed.get("has_more"):
            found: Sequence[_Raw] = listed.get("data") or ()
            return found
        if not intent.get("amount_received"):
            return ()
        return [refund async for refund in self.stripe.each("/v1/refunds", payment_intent=intent["id"])]

    async def _disputes(self, intent: _Raw, charge: object) -> Sequence[_Raw]:
        if not isinstance(charge, Mapping) or not charge.get("disputed"):
            return ()
        return [dispute async for dispute in self.stripe.each("/v1/disputes", payment_intent=intent["id"])]


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The ledgers of all accounts, read as one."""

    ledgers: tuple[Ledger, ...]

    async def entries(self, since: datetime | None = None) -> AsyncIterator[LedgerEntry]:
        for ledger in self.ledgers:
            async for entry in ledger.entries(since):
                yield entry

    async def find_all(self, psp_references: Sequence[str]) -> list[LedgerEntry]:
        """Each is searched at every account: which one holds it is a question of the audit."""
        return [entry for ledger in self.ledgers for entry in await ledger.find_all(psp_references)]


def ledger_entry(
    intent: _Raw, refunds: Sequence[_Raw] = (), disputes: Sequence[_Raw] = (), *, installation: str
) -> LedgerEntry:
    """An entry from the PSP's objects, which may lack fields. `installation` is the name of this one."""
    unreadable: list[str] = []

    def read(what: _Raw, build: Callable[[_Raw], _T]) -> _T | None:
        try:
            return build(what)
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            unreadable.append(f"{what.get('id')}: {type(error).__name__}: {error}"[:200])
            return None

    def captured(raw: _Raw) -> tuple[str, Decimal]:
        currency = str(raw["currency"]).upper()
        return currency, in_major_units(raw.get("amount_received") or 0, currency)

    money = read(intent, captured)
    currency, amount = money if money is not None else ("", Decimal())
    return LedgerEntry(
        psp_reference=str(intent.get("id")),
        order_id=order_of(intent, installation),
        currency=currency,
        captured=amount,
        refunds=tuple(refund for raw in refunds if not is_release(raw) and (refund := read(raw, _refund)) is not None),
        disputes=tuple(dispute for raw in disputes if (dispute := read(raw, _dispute)) is not None),
        unreadable=tuple(unreadable),
    )


def order_of(raw: _Raw, installation: str) -> str | None:
    """The order that an object's metadata names; None for an order of another installation."""
    metadata = _metadata(raw)
    return metadata.get("order_id") if metadata.get(INSTALLATION, installation) == installation else None


def _refund(raw: _Raw) -> LedgerRefund:
    return LedgerRefund(
        psp_refund_id=raw["id"],
        refund_id=_metadata(raw).get("refund_id"),
        amount=in_major_units(raw["amount"], raw["currency"]),
        state=refund_state(raw.get("status")),
        created=datetime.fromtimestamp(raw["created"], UTC),
    )


def _dispute(raw: _Raw) -> LedgerDispute:
    return LedgerDispute(
        dispute_id=raw["id"],
        amount=in_major_units(raw["amount"], raw["currency"]),
        currency=str(raw["currency"]).upper(),
        state=dispute_state(raw.get("status")),
        status=str(raw.get("status")),
        created=datetime.fromtimestamp(raw["created"], UTC),
    )


def _metadata(raw: _Raw) -> dict[str, str]:
    metadata = raw.get("metadata")
    items = metadata.items() if isinstance(metadata, Mapping) else ()
    return {str(name): str(value) for name, value in items}


async def _in_batches(objects: AsyncIterator[_Raw], build: Callable[[_Raw], Any]) -> AsyncIterator[LedgerEntry]:
    """Build entries concurrently, a few at a time: some need a further request."""
    waiting: list[_Raw] = []

    async def built() -> list[LedgerEntry]:
        entries = await asyncio.gather(*map(build, waiting))
        waiting.clear()
        return [entry for entry in entries if entry is not None]

    async for raw in objects:
        waiting.append(raw)
        if len(waiting) == _AT_ONCE:
            for entry in await built():
                yield entry
    for entry in await built():
        yield entry
