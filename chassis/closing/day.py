"""Computes a day's closing: lines, totals and differences. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from chassis.amounts import major_units, written
from contracts.closing import ClosingOrder, ClosingPayment, Kind, Transaction
from contracts.ids import OrderId
from contracts.payments import RefundStage

ACCOUNT = ""
"""In place of a property: transactions of the account as a whole, or of no order of ours."""

FURTHEST_EAST, FURTHEST_WEST = timedelta(hours=14), timedelta(hours=12)
"""How much earlier and later than in UTC a day begins somewhere."""


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout, and the transactions it contains."""

    payout_id: str
    amount: Decimal
    currency: str
    contained: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction with the order it is about, if it is about one of ours."""

    transaction: Transaction
    order: ClosingOrder | None = None
    payment: ClosingPayment | None = None

    @property
    def property_id(self) -> str:
        return self.order.guest.property_id if self.order else ACCOUNT


@dataclass(frozen=True, slots=True)
class Total:
    """Sums of one property's lines in one currency; `other` has the lines of no other category."""

    property_id: str
    currency: str
    by_kind: Mapping[Kind, Decimal]
    fees: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Bridge:
    """From the orders of the day to the charges of the day, in the guests' currency.

    paid - charged_another_day + of_another_day + mismatched = charges.
    """

    property_id: str
    currency: str
    paid: Decimal
    """What was received for orders that were placed this day."""
    charged_another_day: Decimal
    of_another_day: Decimal
    """Charged this day, placed on another."""
    mismatched: Decimal
    """The sum by which charges differ from the payments' received amounts; each is also listed as a difference."""
    charges: Decimal


@dataclass(frozen=True, slots=True)
class Closing:
    """One day, of one property or of all of them, each in its own time zone."""

    day: date
    property_id: str | None
    account_zone: str
    """The time zone by which transactions of no order belong to the day."""
    orders: tuple[tuple[ClosingOrder, ClosingPayment | None], ...]
    lines: tuple[Line, ...]
    payouts: tuple[Payout, ...]
    totals: tuple[Total, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    differences: tuple[str, ...] = ()
    shares: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """By payout: how much of it is each property's."""


def window(day: date) -> tuple[datetime, datetime]:
    """The start and end of that day over all time zones."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start - FURTHEST_EAST, start + timedelta(days=1) + FURTHEST_WEST


def is_on(at: datetime, day: date, zone: str) -> bool:
    return at.astimezone(ZoneInfo(zone)).date() == day


def close(read: Closing) -> Closing:
    """The closing with its totals and differences, for the lines, orders and payouts that were read."""
    return replace(
        read,
        totals=tuple(_totals(read.lines)),
        bridges=tuple(_bridges(read)),
        differences=tuple(_differences(read)),
    )


def _totals(lines: Sequence[Line]) -> Iterator[Total]:
    groups = sorted({(line.property_id, line.transaction.currency) for line in lines})
    for property_id, currency in groups:
        moved = [
            line.transaction
            for line in lines
            if (line.property_id, line.transaction.currency) == (property_id, currency)
        ]
        by_kind = {kind: sum((one.amount for one in moved if one.kind is kind), Decimal()) for kind in Kind}
        fees, net = (sum((getattr(one, name) for one in moved), Decimal()) for name in ("fee", "net"))
        yield Total(property_id, currency, by_kind, fees, net)


def _bridges(read: Closing) -> Iterator[Bridge]:
    charges = [line for line in read.lines if line.transaction.kind is Kind.CHARGE and line.order is not None]
    placed = {order.order_id for order, _ in read.orders}
    charged = {line.order.order_id for line in charges if line.order}
    groups = {(str(order.guest.property_id), order.total.currency) for order, _ in read.orders}
    groups |= {(line.property_id, line.transaction.charged_currency) for line in charges}
    for property_id, currency in sorted(groups):
        of_orders = [
            (order, _received(payment))
            for order, payment in read.orders
            if (order.guest.property_id, order.total.currency) == (property_id, currency)
        ]
        of_charges = [
            line for line in charges if (line.property_id, line.transaction.charged_currency) == (property_id, currency)
        ]
        paid = sum((amount for _, amount in of_orders), Decimal())
        elsewhen = sum((amount for order, amount in of_orders if order.order_id not in charged), Decimal())
        total = sum((line.transaction.charged for line in of_charges), Decimal())
        other = [line for line in of_charges if line.order and line.order.order_id not in placed]
        of_another = sum((line.transaction.charged for line in other), Decimal())
        yield Bridge(
            *(property_id, currency, paid, elsewhen, of_another, total - (paid - elsewhen + of_another), total)
        )


def _received(payment: ClosingPayment | None) -> Decimal:
    return major_units(payment.received) if payment is not None and payment.received is not None else Decimal()


def _differences(read: Closing) -> Iterator[str]:
    for line in read.lines:
        moved = line.transaction
        if moved.amount - moved.fee != moved.net:
            yield f"{moved.transaction_id}: {moved.amount:f} less {moved.fee:f} is not {moved.net:f} {moved.currency}"
        why = _unlike_our_books(line)
        if why is not None:
            charged = written(moved.charged, moved.charged_currency)
            yield f"{moved.kind} {moved.source} of {charged} for {moved.order_id}: {why}"
    for payout in read.payouts:
        contained = sum((one.net for one in payout.contained if one.kind is not Kind.PAYOUT), Decimal())
        if contained != payout.amount:
            paid, sums = written(payout.amount, payout.currency), written(contained, payout.currency)
            yield f"payout {payout.payout_id} of {paid}: what it contains comes to {sums}"


def _unlike_our_books(line: Line) -> str | None:
    """The difference between our books and a transaction that names an order."""
    moved, payment = line.transaction, line.payment
    if moved.order_id is None or moved.kind not in (Kind.CHARGE, Kind.REFUND, Kind.REFUND_FAILURE, Kind.DISPUTE):
        return None
    if line.order is None:
        return "there is no such order here"
    if payment is None:
        return "the payment is not known here"
    match moved.kind:
        case Kind.CHARGE if moved.psp_reference != payment.paid_reference:
            return "another session paid the order, or none did; `bellhop audit` says whether it was refunded"
        case Kind.CHARGE if moved.charged != _received(payment):
            return f"the payment says that {written(_received(payment), moved.charged_currency)} were received"
        case Kind.REFUND | Kind.REFUND_FAILURE:
            return _unlike_our_refund(moved, payment)
        case Kind.DISPUTE if moved.source not in {dispute.dispute_id for dispute in payment.disputes}:
            return "the payment does not know the dispute"
        case _:
            return None


def _unlike_our_refund(moved: Transaction, payment: ClosingPayment) -> str | None:
    refund = next((refund for refund in payment.refunds if refund.psp_refund_id == moved.source), None)
    if refund is None:
        return "the payment does not know the refund"
    if major_units(refund.amount) != moved.charged:
        return f"the payment says {written(major_units(refund.amount), refund.amount.currency)}"
    if moved.kind is Kind.REFUND_FAILURE and refund.stage is not RefundStage.FAILED:
        return f"the payment says that the refund is {refund.stage}"
    return None


def order_ids(transactions: Sequence[Transaction]) -> list[OrderId]:
    """The orders that transactions name, each once."""
    return [OrderId(name) for name in dict.fromkeys(one.order_id for one in transactions) if name is not None]
