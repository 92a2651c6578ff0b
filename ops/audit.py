"""The money audit: what the hotel's books say of each order against what the PSP's say.

The invariant: captured less refunded equals an order's total while it is confirmed or fulfilled, less what was given
back on purpose, and 0 when it is expired or cancelled; or else a refund or a review is open.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chassis.metrics import Metrics
from contracts.ids import OrderId, PaymentId
from contracts.orders import OrderStatus, PaymentStatus
from contracts.psp import PspDisputeState
from extras_service.order import Order
from extras_service.store import ExtrasStore
from ops.places import Places
from payment_service.payment import Dispute, Payment, PaymentStage, RefundStage
from payment_service.store import PaymentStore
from psp_adapter.translate import Books


@dataclass(frozen=True, slots=True)
class Finding:
    """One order whose money is not accounted for, with the ids to look at."""

    order_id: str
    payment_id: str
    psp_references: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what is wrong with it."""

    orders: int
    payments: int
    psp_payments: int
    findings: tuple[Finding, ...]


async def audit(places: Places) -> Audit:
    """Read both stores and the PSP's books, and compare. Reads only."""
    metrics = Metrics("audit")
    store, psp = places.store(metrics), places.psp()
    try:
        kept, paid = ExtrasStore(store), PaymentStore(store)
        orders = {order.order_id: order async for order in kept.orders.each()}
        payments = {payment.payment_id: payment async for payment in paid.payments.each()}
        books = await psp.books()
    finally:
        store.close()
        await psp.close()
    found = compare(orders, payments, books.values())
    return Audit(len(orders), len(payments), len(books), found)


def compare(
    orders: Mapping[OrderId, Order], payments: Mapping[PaymentId, Payment], books: Iterable[Books]
) -> tuple[Finding, ...]:
    """Every order that breaks the money invariant, and every charge nobody here knows of."""
    by_order: dict[OrderId, list[Books]] = {}
    for line in books:
        by_order.setdefault(line.order_id, []).append(line)
    findings = [
        _finding(order_id, lines, "the PSP holds money for an order that was never taken here")
        for order_id, lines in by_order.items()
        if order_id not in orders and _net(lines) > 0
    ]
    for order in orders.values():
        lines = by_order.get(order.order_id, [])
        problem = _problem(order, payments.get(order.payment_id), lines)
        if problem is not None:
            findings.append(_finding(order.order_id, lines, problem, order.payment_id))
    return tuple(sorted(findings, key=lambda finding: finding.order_id))


def _problem(order: Order, payment: Payment | None, lines: list[Books]) -> str | None:
    if order.status is OrderStatus.NEEDS_REVIEW:
        return None  # a person is asked already
    doubled = {refund_id for line in lines for refund_id in line.doubled_refunds}
    unseen = sorted(doubled - (set(order.doubled_refunds) if order.accepted else set()))
    if unseen:
        return f"the PSP has made more than one refund under {', '.join(unseen)}"
    lost = sum(dispute.amount.amount for dispute in payment.disputes if _is_lost(dispute)) if payment else 0
    captured = sum(line.captured.amount for line in lines)
    refunded = sum(line.refunded.amount for line in lines)
    pending = sum(line.refund_pending.amount for line in lines)
    is_refund_open = pending > 0 or _has_open_refund(payment)
    if any(line.captured.currency != order.total.currency for line in lines if line.captured.amount):
        return "the PSP charged in another currency than the order's"
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED if order.payment_status is PaymentStatus.CHARGED_BACK:
            return None  # known, and shown as such
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED:
            kept = captured - refunded
            owed = order.total.amount - (order.refunded.amount if order.refunded else 0)
            if order.accepted or kept == owed or (is_refund_open and kept - pending <= owed <= kept):
                return None
            return (
                f"{order.status}: the PSP holds {kept}, the order owes {owed} (minor units of {order.total.currency})"
            )
        case OrderStatus.EXPIRED | OrderStatus.CANCELLED:
            left = captured - refunded - lost
            if left == 0 or is_refund_open:
                return None
            return f"{order.status}: the PSP still holds {left} and no refund is open"
        case _:
            return (
                None
                if captured == 0
                else f"{order.status}, though the PSP has captured {captured}: run `bellhop reconcile`"
            )


def _is_lost(dispute: Dispute) -> bool:
    return dispute.state is PspDisputeState.LOST


def _has_open_refund(payment: Payment | None) -> bool:
    open_stages = (RefundStage.REQUESTED, RefundStage.PENDING)
    return payment is not None and (
        payment.status is PaymentStage.MISMATCHED or any(refund.stage in open_stages for refund in payment.refunds)
    )


def _net(lines: list[Books]) -> int:
    return sum(line.captured.amount - line.refunded.amount for line in lines)


def _finding(order_id: str, lines: list[Books], problem: str, payment_id: str = "") -> Finding:
    references = tuple(line.psp_reference for line in lines)
    return Finding(order_id, payment_id or (lines[0].payment_id if lines else ""), references, problem)


def run(places: Places) -> Audit:
    """The audit, for callers without an event loop."""
    return asyncio.run(audit(places))
