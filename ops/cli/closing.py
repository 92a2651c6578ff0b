"""`bellhop closing`: a day's orders and the PSP's transactions, with totals and their differences."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from chassis.amounts import major_units, written
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from extras_service.order.state import Order
from ops.cli.audit import AsCsv
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, stderr, table_of
from ops.cli.csv_output import print_csv
from ops.core.closing.day import ACCOUNT, Closing, Line
from ops.core.closing.read import NoSuchPropertyError
from ops.core.closing.read import closing as read_closing
from ops.core.target import Target

_COLUMNS = (
    *("section", "kind", "property", "time", "order_id", "reservation_id", "status", "psp_reference", "source"),
    *("transaction", "amount", "fee", "net", "currency", "note"),
)
_Row = dict[str, object]


@needs(OperatorRole.READER)
def closing(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The day, by the property's clock.")],
    property_id: Annotated[
        str | None, typer.Option("--property", help="One property; without it all, each by its own time zone.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List a day's orders, charges, refunds, disputes, fees and payouts, with totals and their differences.

    Charges and all other movements are the PSP's own balance transactions. Reads only.

    Example: `bellhop closing 2026-11-24 --property alpenhof --csv`

    Exit code 0 if everything adds up, 1 if there are differences, 2 if the stores or the PSP are unavailable.
    """
    with explain_unreachable(), stderr.status("reading the PSP's transactions"):
        try:
            result = asyncio.run(read_closing(Target.from_environment(data_dir), day.date(), property_id))
        except NoSuchPropertyError as unknown:
            raise typer.BadParameter(str(unknown), param_hint="--property") from None
    rows = list(_rows(result))
    if as_json:
        described = {"day": result.day, "property": property_id, "account_time_zone": result.account_zone}
        print_json(described | {"rows": rows, "differences": result.differences})
    elif as_csv:
        print_csv(_COLUMNS, rows)
    else:
        _print(result, rows)
    raise typer.Exit(1 if result.differences else 0)


def _rows(result: Closing) -> Iterator[_Row]:
    """Everything as rows of one form: orders, transactions, payouts' shares, totals, bridges, differences."""
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
    order: Order | None = None,
    amount: Decimal | None = None,
    fee: Decimal | None = None,
    net: Decimal | None = None,
    note: str = "",
) -> _Row:
    about: _Row = {}
    if order is not None:
        about = {
            "order_id": order.order_id,
            "reservation_id": order.guest.reservation_id,
            "status": str(order.status),
            "property": order.guest.property_id,
        }
    amounts = {"amount": amount, "fee": fee, "net": net}
    exact: _Row = {name: "" if value is None else f"{value:f}" for name, value in amounts.items()}
    return dict.fromkeys(_COLUMNS, "") | {"section": section, "kind": str(kind), "note": note} | about | exact


def _transaction(line: Line, result: Closing) -> _Row:
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
    }


def _local(at: datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def _print(result: Closing, rows: list[_Row]) -> None:
    of = result.property_id or "all properties"
    sections = (
        ("order", f"Orders placed on {result.day:%Y-%m-%d}, {of}", ("time", "order_id", "reservation_id", "status")),
        ("transaction", "The PSP's transactions", ("time", "kind", "order_id", "source", "fee", "net")),
        ("payout", "Whose money the payouts are", ("source", "property", "net")),
        ("total", "Totals", ("property", "kind", "fee", "net")),
        ("bridge", "From the day's orders to the day's charges", ("property",)),
    )
    for section, title, columns in sections:
        names = (*columns, "amount", "currency", "note")
        of_section = [[str(row[name]) for name in names] for row in rows if row["section"] == section]
        if of_section:
            console.print(table_of(names, of_section, whole=("amount", "currency"), title=title))
    for difference in result.differences:
        console.print(difference, style="red", markup=False, soft_wrap=True)
    if not result.differences:
        console.print("[green]✓[/] everything adds up.")
    if any(line.order is None for line in result.lines):
        zone = result.account_zone
        note = f"Payouts and what is about no order of Bellhop's belong to the account; their day is that of {zone}."
        console.print(note, style="dim", soft_wrap=True)
