"""The audit's walk: the PSP's ledger and both stores, side by side, order by order.

1. The PSP's list is read page by page into a worksheet, a temporary file that is sorted by order, and the orders' ids
   beside it.
2. The orders are examined in that sequence, some hundreds at a time: each batch of orders, their payments and their
   ledger entries are read together and compared.
3. Orders with findings are read again from all three a moment later: a change in between is not a finding.

Memory holds one batch and the findings.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pydantic import ValidationError

from chassis.decision import StateT
from chassis.messaging.envelope import utc_now
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId, PaymentId, order_id_of, payment_id_of
from contracts.orders import OrderStatus
from extras_service.collections import ExtrasStore
from extras_service.order.state import Order
from ops.core.audit.findings import Audit, Finding
from ops.core.audit.receipts import ReceiptAudit
from ops.core.audit.rules import Books, examine, unlisted
from ops.core.audit.worksheet import Worksheet
from ops.core.target import Target
from payment_service.collections import PaymentStore
from payment_service.payment.state import Payment
from psp_adapter.ledger import Ledger, LedgerEntry, Ledgers

BATCH = 500
"""Orders at a time."""
READ_AGAIN_AFTER = 2.0
"""Seconds before orders with findings are read again: a webhook may be on its way."""

Progress = Callable[[str, int, int | None], None]
"""Progress callback: the current step, the amount done, and the total if known."""


class StatesProtocol(Protocol[StateT]):
    """The part of a store's documents that the audit uses."""

    def ids(self, *, waiting: bool) -> AsyncIterator[str]: ...
    def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]: ...
    async def count(self) -> int: ...
    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]: ...


class LedgerProtocol(Protocol):
    """The part of the PSP that the audit uses."""

    def entries(self, since: datetime | None = None) -> AsyncIterator[LedgerEntry]: ...
    async def find_all(self, psp_references: Sequence[str]) -> list[LedgerEntry]: ...


async def audit(
    target: Target,
    *,
    since: datetime | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Audit:
    """Read both stores and the PSP, and compare. Reads only. Without `since`, the receipts, too.

    `since`: only orders that were placed since then, whose charges, refunds or disputes were made since then, and those
    that wait for a refund or a decision. Raises StoreUnavailableError, PspUnavailableError and PspForbiddenError.
    """
    store, psp = target.store(Metrics("audit")), target.psp()
    try:
        extras = ExtrasStore(store)
        ledgers = Ledgers(tuple(Ledger(account.stripe, target.installation) for account in psp))
        auditor = Auditor(extras.orders, PaymentStore(store).payments, ledgers, progress)
        result = await auditor.run(since)
        if since is not None:
            return result
        progress("reading the receipts", 0, None)
        receipts = await ReceiptAudit(extras.orders, extras.receipts, extras.registers).findings()
        return replace(result, findings=(*result.findings, *receipts))
    finally:
        store.close()
        await psp.close()


@dataclass
class Auditor:
    """One audit of one system."""

    orders: StatesProtocol[Order]
    payments: StatesProtocol[Payment]
    ledger: LedgerProtocol
    progress: Progress = lambda what, done, total: None
    read_again_after: float = READ_AGAIN_AFTER
    now: Callable[[], datetime] = utc_now
    _orders: int = 0
    _broken: int = 0
    _payments: int = 0

    async def run(self, since: datetime | None = None) -> Audit:
        stored = await self.orders.count()  # before they are listed: those that are placed meanwhile are no surplus
        suspects: dict[OrderId, tuple[str, ...]] = {}
        with Worksheet.opened() as worksheet:
            await self._write_down(worksheet, since)
            psp_payments, done, total = worksheet.payments, 0, worksheet.orders
            by_account = worksheet.payments_by_account
            for order_ids in worksheet.batches(BATCH):
                for books in await self._read(order_ids, worksheet, is_complete=since is None):
                    self._count(books)
                    if any(examine(books, self.now())):
                        suspects[books.order_id] = tuple(entry.psp_reference for entry in books.entries)
                done += len(order_ids)
                self.progress("comparing orders", done, total)
        findings = await self._read_again(suspects)
        if since is None and stored > self._orders + self._broken:
            findings.append(unlisted(stored - self._orders - self._broken))
        return Audit(
            orders=self._orders,
            payments=self._payments,
            psp_payments=psp_payments,
            findings=tuple(finding for finding in findings if not finding.kind.is_open_question),
            open_questions=tuple(finding for finding in findings if finding.kind.is_open_question),
            since=since,
            by_account=by_account,
        )

    async def _write_down(self, worksheet: Worksheet, since: datetime | None) -> None:
        read = 0
        async for entry in self.ledger.entries(since):
            read += 1
            if entry.order_id is not None or entry.captured:  # without metadata, it may be one that a payment holds
                worksheet.put_entry(entry)
            self.progress("reading the PSP's payments", read, None)
        listed = 0
        # One by one: the index leads to each. In the sequence of an order's life: one that moves on meanwhile is found.
        for status in OrderStatus:
            async for order_id in self.orders.all_ids(since, status=status):
                worksheet.add_order(order_id)
                listed += 1
                self.progress("listing the orders", listed, None)
        async for order_id in self.orders.ids(waiting=True):
            worksheet.add_order(order_id)
        async for payment_id in self.payments.ids(waiting=True):
            worksheet.add_order(order_id_of(PaymentId(payment_id)))

    async def _read(self, order_ids: Sequence[OrderId], worksheet: Worksheet, *, is_complete: bool) -> list[Books]:
        """The books of a batch. Entries missing from the worksheet are read from the PSP."""
        batch = await self._stored(order_ids)
        references = {reference for books in batch for reference in _references(books.payment)}
        entries = worksheet.entries_of(order_ids, references)
        if not is_complete:
            missing = sorted(references - entries.keys())
            entries |= {entry.psp_reference: entry for entry in await self.ledger.find_all(missing)}
        by_order: dict[str, list[LedgerEntry]] = {}
        for entry in entries.values():
            by_order.setdefault(entry.order_id or "", []).append(entry)
        return [_with_entries(books, entries, by_order.get(books.order_id, ())) for books in batch]

    async def _stored(self, order_ids: Sequence[OrderId]) -> list[Books]:
        loaded, broken = await _load(self.orders, order_ids)
        orders = {order.order_id: (since, order) for since, order in loaded}
        paid, broken_payments = await _load(self.payments, [payment_id_of(order_id) for order_id in order_ids])
        payments = {payment.order_id: (since, payment) for since, payment in paid}
        broken |= broken_payments
        batch = []
        for order_id in order_ids:
            review_since, order = orders.get(order_id, (None, None))
            refund_since, payment = payments.get(order_id, (None, None))
            unreadable = tuple(broken[one] for one in (order_id, payment_id_of(order_id)) if one in broken)
            batch.append(Books(order_id, order, payment, (), review_since, refund_since, unreadable))
        return batch

    async def _read_again(self, suspects: Mapping[OrderId, tuple[str, ...]]) -> list[Finding]:
        """The remaining findings of these orders, read one by one from both stores and the PSP."""
        if suspects:
            await asyncio.sleep(self.read_again_after)
        findings: list[Finding] = []
        for done, (order_id, known) in enumerate(suspects.items()):
            self.progress("reading findings again", done, len(suspects))
            (books,) = await self._stored([order_id])
            references = {*known, *_references(books.payment)}
            entries = {entry.psp_reference: entry for entry in await self.ledger.find_all(sorted(references))}
            findings += examine(_with_entries(books, entries, list(entries.values())), self.now())
        return findings

    def _count(self, books: Books) -> None:
        self._orders += books.order is not None
        self._broken += any(reason.startswith(books.order_id) for reason in books.unreadable)
        self._payments += books.payment is not None


async def _load(
    documents: StatesProtocol[StateT], ids: Sequence[str]
) -> tuple[list[tuple[datetime | None, StateT]], dict[str, str]]:
    """Documents, and the reasons for those that cannot be read: one of them never aborts the batch."""
    try:
        return await documents.load_many(ids), {}
    except ValidationError as error:
        if len(ids) == 1:
            return [], {ids[0]: f"{ids[0]}: {error}"[:300]}
    half = len(ids) // 2
    (first, broken), (second, more_broken) = [await _load(documents, part) for part in (ids[:half], ids[half:])]
    return first + second, broken | more_broken


def _references(payment: Payment | None) -> set[str]:
    if payment is None:
        return set()
    session = payment.session.psp_reference if payment.session else None
    return {one for one in (session, payment.paid_reference, *payment.earlier_sessions) if one}


def _with_entries(books: Books, entries: dict[str, LedgerEntry], named: Sequence[LedgerEntry]) -> Books:
    """The books with the entries that name the order, and those its payment holds, whatever their metadata says."""
    held = {reference: entries[reference] for reference in _references(books.payment) if reference in entries}
    held |= {entry.psp_reference: entry for entry in named}
    return replace(books, entries=tuple(held[reference] for reference in sorted(held)))
