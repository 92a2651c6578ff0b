"""`bellhop orders`: lists orders, those that wait first."""

from datetime import datetime
from typing import Annotated

import typer

from chassis.amounts import readable
from chassis.messaging.envelope import utc_now
from chassis.web.tokens import OperatorRole
from contracts.orders import OrderStatus
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, needs, print_json, table_of, with_session
from ops.cli.filters import Since, moment_of
from ops.core.orders import MOST, Found, Wanted, as_json, find, wait_of
from ops.core.session import OperatorSession


@needs(OperatorRole.READER)
def orders(
    status: Annotated[
        list[OrderStatus] | None, typer.Option(help="Only orders in this status; may be repeated.")
    ] = None,
    property_id: Annotated[str | None, typer.Option("--property", help="Only orders of this property.")] = None,
    since: Since = None,
    refunding: Annotated[
        bool, typer.Option("--refunding", help="Only orders with a refund that failed or has not settled.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List so many at most.")] = MOST,
    json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List orders: those that wait for a decision or a refund first, the longest first; then the newest.

    With `--json` each order has its refunds: amount, stage, reason, who asked and when.

    Reads the orders themselves, so it also finds what is older than the message log.

    Examples:

    `bellhop orders --status needs_review`

    `bellhop orders --property alpenhof --since 2d`

    `bellhop orders --refunding`

    Exit code 0 if it succeeded, also without orders; 2 if the system is unavailable.
    """
    wanted = Wanted(tuple(status or ()), property_id, moment_of(since, "--since"), refunding)

    async def look(desk: OperatorSession) -> list[Found]:
        return await find(desk.store, wanted, limit)

    found = with_session(data_dir, look)
    if json:
        print_json([as_json(one) for one in found])
        return
    if not found:
        console.print("No such orders.")
        return
    now = utc_now()
    console.print(
        table_of(("order", "status", "reservation, waits"), (_row(one, now) for one in found), whole=("order",))
    )
    if len(found) == limit:
        console.print(f"The first {limit}; --limit lists more.", style="dim")


def _row(found: Found, now: datetime) -> tuple[str, str, str]:
    order = found.order
    return (
        f"{order.order_id}\n{order.created_at:%Y-%m-%d %H:%M}",
        f"{order.status}\n{order.payment_status}\n{readable(order.total)}",
        f"{order.guest.property_id}, {order.guest.reservation_id}\n{wait_of(found, now)}".rstrip(),
    )
