"""`bellhop closing`: a day's orders and the PSP's transactions, with totals and their differences."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from chassis.closing.day import Closing
from chassis.closing.rows import COLUMNS, Row, rows_of
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.audit import AsCsv
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, stderr, table_of
from ops.cli.csv_output import print_csv
from ops.core.closing.read import NoSuchPropertyError
from ops.core.closing.read import closing as read_closing
from ops.core.target import Target


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
    rows = list(rows_of(result))
    if as_json:
        described = {"day": result.day, "property": property_id, "account_time_zone": result.account_zone}
        print_json(described | {"rows": rows, "differences": result.differences})
    elif as_csv:
        print_csv(COLUMNS, rows)
    else:
        _print(result, rows)
    raise typer.Exit(1 if result.differences else 0)


def _print(result: Closing, rows: list[Row]) -> None:
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
