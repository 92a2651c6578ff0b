"""The rules of the audit, for one order at a time: values in, findings out.

The invariant: what the PSP has captured less what it has refunded equals an order's total while it is confirmed or
fulfilled, less what was refunded on purpose. For an order that is closed, captured less refunded less lost in disputes
is 0. Otherwise a refund, a dispute or a review is open.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chassis.amounts import major_units, written
from contracts.ids import OrderId, payment_id_of
from contracts.order_actions import Direction
from contracts.orders import OrderStatus, PaymentStatus
from contracts.payments import RefundStage
from contracts.psp import PspDisputeState, PspRefundState
from extras_service.order.state import Order
from ops.core.audit.findings import Finding, Kind
from payment_service.payment.state import Payment, PaymentStage, Refund
from psp_adapter.ledger import LedgerDispute, LedgerEntry

REFUND_SETTLES_WITHIN = timedelta(days=1)
"""After that, a refund that was asked for and has not settled is a finding."""

REFUND_ARRIVES_WITHIN = timedelta(minutes=10)
"""After that, a refund that an order asked for and the payment service does not know is a finding."""

_OPEN_REFUNDS = (RefundStage.REQUESTED, RefundStage.PENDING)


@dataclass(frozen=True, slots=True)
class Books:
    """All data about one order's money: ours, and the PSP's."""

    order_id: OrderId
    order: Order | None = None
    payment: Payment | None = None
    entries: tuple[LedgerEntry, ...] = ()
    review_since: datetime | None = None
    refund_since: datetime | None = None
    """Since when a refund of the payment has not settled."""
    unreadable: tuple[str, ...] = ()
    """The order's and payment's documents that cannot be read, with the reason."""

    @property
    def currency(self) -> str:
        if self.order is not None:
            return self.order.total.currency
        return next((entry.currency for entry in self.entries), "")

    @property
    def captured(self) -> Decimal:
        return sum((entry.captured for entry in self.entries), Decimal())

    @property
    def refunded(self) -> Decimal:
        return sum((entry.refunded(PspRefundState.SUCCEEDED) for entry in self.entries), Decimal())

    @property
    def pending(self) -> Decimal:
        return sum((entry.refunded(PspRefundState.PENDING) for entry in self.entries), Decimal())

    def disputed(self, *states: PspDisputeState) -> Decimal:
        return sum((entry.disputed(*states) for entry in self.entries), Decimal())

    @property
    def is_refund_open(self) -> bool:
        return self.pending > 0 or (self.payment is not None and _has_open_refund(self.payment))

    def finding(
        self, kind: Kind, problem: str, amount: Decimal | None = None, since: datetime | None = None
    ) -> Finding:
        payment_id = self.order.payment_id if self.order else payment_id_of(self.order_id)
        references = tuple(entry.psp_reference for entry in self.entries)
        return Finding(kind, self.order_id, payment_id, references, problem, amount, self.currency, since)


def unlisted(number: int) -> Finding:
    """So many stored orders are in no list by status: another version wrote them, or not Bellhop."""
    problem = f"{number} stored orders have no status or no time of creation that this version knows"
    return Finding(Kind.UNREADABLE, "", "", (), problem)


def examine(books: Books, now: datetime) -> Iterator[Finding]:
    """The findings about one order's money, usually none."""
    for entry in books.entries:
        for what in entry.unreadable:
            yield books.finding(Kind.UNREADABLE, f"the PSP holds what cannot be read: {what}")
    for what in books.unreadable:
        yield books.finding(Kind.UNREADABLE, f"the store has what cannot be read: {what}")
    if books.unreadable:
        return
    yield from _other_accounts(books)
    if books.order is None:
        held = books.captured - books.refunded
        if held > 0:
            problem = "the PSP holds money for an order that was never taken here"
            yield books.finding(Kind.UNKNOWN_CHARGE, problem, held)
    elif books.order.status is OrderStatus.NEEDS_REVIEW:
        held = books.captured - books.refunded
        why = books.order.review or "a person decides"
        yield books.finding(Kind.REVIEW, f"needs review: {why}", held, books.review_since)
    else:
        yield from _refunds(books, books.order, now)
        yield from _disputes(books)
        yield from _balance(books, books.order)


def _other_accounts(books: Books) -> Iterator[Finding]:
    """Money for the order at another account than the one that is charged for it."""
    owner = books.payment or books.order
    for entry in books.entries:
        held = entry.captured - entry.refunded(PspRefundState.SUCCEEDED)
        if owner is not None and entry.psp_account != owner.psp_account and held > 0:
            problem = f"{entry.psp_reference} holds money at the account {entry.psp_account}, not {owner.psp_account}"
            yield books.finding(Kind.OTHER_ACCOUNT, problem, held)


def _refunds(books: Books, order: Order, now: datetime) -> Iterator[Finding]:
    moved = [r for entry in books.entries for r in entry.refunds if r.state is not PspRefundState.FAILED]
    made = Counter(refund.refund_id for refund in moved if refund.refund_id is not None)
    seen = order.doubled_refunds if order.accepted else ()
    for refund_id in sorted(refund_id for refund_id, number in made.items() if number > 1 and refund_id not in seen):
        amounts = [refund.amount for refund in moved if refund.refund_id == refund_id]
        problem = f"the PSP has made more than one refund under {refund_id}"
        yield books.finding(Kind.DOUBLE_REFUND, problem, sum(amounts, Decimal()) - amounts[-1])
    for refund in books.payment.refunds if books.payment else ():
        if refund.stage is RefundStage.FAILED and not _is_superseded(books, refund):
            problem = f"the refund {refund.refund_id} failed: {refund.detail or 'the PSP gives no reason'}"
            yield books.finding(Kind.FAILED_REFUND, problem, major_units(refund.amount), refund.asked_at)
        asked_at = refund.asked_at or books.refund_since
        if refund.stage in _OPEN_REFUNDS and asked_at is not None and now - asked_at > REFUND_SETTLES_WITHIN:
            problem = f"the refund {refund.refund_id} has not settled: it is {refund.stage}"
            yield books.finding(Kind.WAITING_REFUND, problem, major_units(refund.amount), asked_at)
    known = {refund.refund_id for refund in books.payment.refunds} if books.payment else set()
    for mine in order.refunds:
        is_waiting = mine.stage in _OPEN_REFUNDS and mine.settled is None and mine.refund_id not in known
        if is_waiting and (mine.asked_at is None or now - mine.asked_at > REFUND_ARRIVES_WITHIN):
            problem = f"the payment service does not know the refund {mine.refund_id} that the order asked for"
            yield books.finding(Kind.LOST_REFUND, problem, major_units(mine.amount), mine.asked_at)


def _is_superseded(books: Books, refund: Refund) -> bool:
    """Whether a failed refund needs no action: staff have settled it, or everything is refunded."""
    known = books.order.refund(refund.refund_id) if books.order else None
    if books.order is not None and known is not None:
        return known not in books.order.troubled_refunds
    is_accepted = books.order is not None and books.order.accepted
    lost = books.disputed(PspDisputeState.LOST)
    return is_accepted or books.captured - books.refunded - lost <= 0


def _disputes(books: Books) -> Iterator[Finding]:
    known = {dispute.dispute_id: dispute.state for dispute in books.payment.disputes} if books.payment else {}
    for dispute in (dispute for entry in books.entries for dispute in entry.disputes):
        known_as = known.get(dispute.dispute_id)
        if known_as is not dispute.state and not (known_as is None and _is_over(dispute)):
            problem = f"the payment does not know that the dispute {dispute.dispute_id} is {dispute.status}"
            yield books.finding(Kind.UNKNOWN_DISPUTE, problem, dispute.amount, dispute.created)
        elif dispute.state is PspDisputeState.OPEN:
            problem = f"the guest's bank decides on the dispute {dispute.dispute_id} ({dispute.status})"
            yield books.finding(Kind.DISPUTE, problem, dispute.amount, dispute.created)
        elif dispute.state is PspDisputeState.INQUIRY:
            problem = f"the guest's bank asks; no money has moved ({dispute.dispute_id}: {dispute.status})"
            yield books.finding(Kind.DISPUTE, problem, Decimal(), dispute.created)


def _is_over(dispute: LedgerDispute) -> bool:
    """Whether it has no net effect."""
    return dispute.state is PspDisputeState.WON


def _balance(books: Books, order: Order) -> Iterator[Finding]:
    total, held = major_units(order.total), books.captured - books.refunded
    if any(entry.currency != order.total.currency for entry in books.entries if entry.captured):
        problem = f"the PSP charged in another currency than the order's {order.total.currency}"
        yield books.finding(Kind.CURRENCY, problem, held)
        return
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED if order.payment_status is PaymentStatus.CHARGED_BACK:
            return  # known, and shown as such
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED:
            owed = total - (major_units(order.refunded) if order.refunded else 0)
            is_refunding = books.is_refund_open and held - books.pending <= owed <= held
            if order.accepted or held == owed or is_refunding:
                return
            problem = f"{order.status}: the PSP holds {_in(books, held)}, the order is worth {_in(books, owed)}"
            yield books.finding(Kind.UNBALANCED, problem, held - owed)
        case OrderStatus.EXPIRED | OrderStatus.CANCELLED | OrderStatus.DECLINED:
            left = held - books.disputed(PspDisputeState.LOST) - _given_outside(order)
            is_known_surplus = (
                left < 0 and order.accepted
            )  # the guest has more than they paid, and a person has seen it
            if left == 0 or is_known_surplus or books.is_refund_open or books.disputed(PspDisputeState.OPEN) > 0:
                return
            problem = f"{order.status}: the PSP still holds {_in(books, left)} and no refund is open"
            yield books.finding(Kind.UNBALANCED, problem, left)
        case _ if books.captured:
            problem = f"{order.status}, though the PSP has captured {_in(books, books.captured)}: `bellhop reconcile`"
            yield books.finding(Kind.UNSETTLED, problem, books.captured)


def _given_outside(order: Order) -> Decimal:
    settled = (refund.settled for refund in order.refunds)
    of_refunds = sum((major_units(each.amount) for each in settled if each is not None and each.amount), Decimal())
    return of_refunds + major_units(order.settled(Direction.TO_GUEST))


def _in(books: Books, amount: Decimal) -> str:
    return written(amount, books.currency)


def _has_open_refund(payment: Payment) -> bool:
    return payment.status is PaymentStage.MISMATCHED or any(refund.stage in _OPEN_REFUNDS for refund in payment.refunds)
