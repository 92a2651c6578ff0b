"""A closing as rows of one form: orders, transactions, payouts' shares, totals, bridges, differences. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from chassis.amounts import major_units, written
from chassis.closing.day import ACCOUNT, Closing, Line
from contracts.closing import ClosingOrder

COLUMNS = (
    *("section", "kind", "property", "time", "order_id", "reservation_id", "status", "psp_reference", "source"),
    *("transaction", "amount", "fee", "net", "currency", "note", "account"),
)
Row = dict[str, object]


def rows_of(result: Closing) -> Iterator[Row]:
    """Everything, in this order: what was ordered and moved, then its sums, then what does not add up."""
    for order, _ in result.orders:
        paid = f"{order.payment_status}"
        yield _row("order", order.status, order=order, amount=major_units(order.total), note=paid) | {
            "currency": order.total.currency,
            "time": _local(order.created_at, order.time_zone),
        }
    for line in result.lines:
        yield _transaction(line, result)
    for payout in result.payouts:
        for property_id, share in sorted(result.shares[payout.payout_id].items()):
            note = "the account's own, and of no order" if property_id == ACCOUNT else "its share of the payout"
            about = {"property": property_id, "source": payout.payout_id, "currency": payout.currency}
            yield _row("payout", "share", net=share, note=note) | about
    for total in result.totals:
        sums = {"property": total.property_id, "currency": total.currency}
        for kind, amount in total.by_kind.items():
            if amount:
                yield _row("total", kind, amount=amount) | sums
        yield _row("total", "all", amount=total.net + total.fees, fee=total.fees, net=total.net) | sums
    for bridge in result.bridges:
        named = asdict(bridge)
        sums = {"property": named.pop("property_id"), "currency": named.pop("currency")}
        for name, amount in named.items():
            yield _row("bridge", name, amount=amount, note=_BRIDGE[name]) | sums
    for difference in result.differences:
        yield _row("difference", "", note=difference)


_BRIDGE = {
    "paid": "received for orders that were placed this day",
    "charged_another_day": "less: of these, charged on another day",
    "of_another_day": "plus: charged this day for orders of other days",
    "mismatched": "plus: difference between charges and the payments' records",
    "charges": "charged this day",
}


def _row(
    section: str,
    kind: str,
    *,
    order: ClosingOrder | None = None,
    amount: Decimal | None = None,
    fee: Decimal | None = None,
    net: Decimal | None = None,
    note: str = "",
) -> Row:
    about: Row = {}
    if order is not None:
        about = {
            "order_id": order.order_id,
            "reservation_id": order.guest.reservation_id,
            "status": str(order.status),
            "property": order.guest.property_id,
        }
    amounts = {"amount": amount, "fee": fee, "net": net}
    exact: Row = {name: "" if value is None else f"{value:f}" for name, value in amounts.items()}
    return dict.fromkeys(COLUMNS, "") | {"section": section, "kind": str(kind), "note": note} | about | exact


def _transaction(line: Line, result: Closing) -> Row:
    moved = line.transaction
    zone = line.order.time_zone if line.order else result.account_zone
    note = ""
    if moved.charged_currency not in ("", moved.currency):
        note = f"{written(moved.charged, moved.charged_currency)} of the guest's"
    row = _row(
        "transaction", moved.kind, order=line.order, amount=moved.amount, fee=moved.fee, net=moved.net, note=note
    )
    return row | {
        "time": _local(moved.at, zone),
        "psp_reference": moved.psp_reference,
        "source": moved.source,
        "transaction": moved.transaction_id,
        "currency": moved.currency,
        "account": moved.psp_account,
    }


def _local(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
