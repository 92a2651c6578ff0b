"""`bellhop review`: lists orders under review and decides them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from chassis.amounts import amount_of, readable
from chassis.messaging.envelope import utc_now
from chassis.web.tokens import OperatorRole
from contracts.money import Money
from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus
from deploy.local.system_env import DATA_DIR
from extras_service.order.state import Order
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    Yes,
    acting_as,
    confirm,
    console,
    given_reason,
    needs,
    print_json,
    stderr,
    table_of,
    with_session,
)
from ops.core.order_actions import sentences_of
from ops.core.orders import MOST, Found, Wanted, find, wait_of, why_of
from ops.core.review import NotDecidableError, NotDecidedError, Proposal, carry_out, propose, under_review
from ops.core.session import OperatorSession

NAME = "review"
app = typer.Typer(no_args_is_help=True, help="Decide on orders whose money does not match.")

OrderArgument = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id: ord_….")]
Reason = Annotated[
    str, typer.Option("--why", help="The reason, for the order and the audit log; at most 500 characters.")
]


@app.command("list")
@needs(OperatorRole.READER)
def list_reviews(
    property_id: Annotated[str | None, typer.Option("--property", help="Only orders of this property.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the orders that wait for a decision, the longest first: since when, for how much, and why.

    Example: `bellhop review list --property alpenhof`

    Exit code 0 if there are none, 1 if there are some, 2 if the system is unavailable.
    """
    wanted = Wanted((OrderStatus.NEEDS_REVIEW,), property_id)
    found = with_session(data_dir, lambda desk: find(desk.store, wanted, MOST))
    if as_json:
        print_json([_as_json(one) for one in found])
    elif found:
        console.print(_table_of(found))
        console.print("bellhop review accept|refund|settled-outside ORDER --why …", style="dim", soft_wrap=True)
    else:
        console.print("[green]✓[/] No order is under review.")
    raise typer.Exit(1 if found else 0)


@app.command()
@needs(OperatorRole.EDITOR)
def accept(
    order_id: OrderArgument,
    why: Reason,
    amount: Annotated[
        str | None, typer.Option(help="What the guest paid outside the PSP, in the order's currency: 48.00.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Confirm it although no place is left.")] = False,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Confirm an order under review: the guest gets what was ordered, if its places are still available.

    Example: `bellhop review accept ord_k3v7… --why "the hotel waives the difference, INC-42"`

    Exit code 0 if it is decided, 1 if it was sent but is not decided, 2 if nothing was sent, 3 without confirmation.
    """
    _decide(data_dir, order_id, ReviewResolution.ACCEPT, why, amount, force=force, who=who, yes=yes, as_json=as_json)


@app.command()
@needs(OperatorRole.EDITOR)
def refund(
    order_id: OrderArgument,
    why: Reason,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Cancel an order under review, and refund what the PSP holds for it.

    Example: `bellhop review refund ord_k3v7… --why "the guest has left, INC-42"`

    Exit code 0 if it is decided (the refund may settle later), 1 if it was sent but is not decided, 2 if nothing was
    sent, 3 without confirmation.
    """
    _decide(data_dir, order_id, ReviewResolution.REFUND, why, None, who=who, yes=yes, as_json=as_json)


@app.command("settled-outside")
@needs(OperatorRole.EDITOR)
def settled_outside(
    order_id: OrderArgument,
    why: Reason,
    amount: Annotated[
        str | None,
        typer.Option(
            help="What the guest of a closed order received (without it: all that the PSP holds), or what the guest "
            "of a confirmed one paid; in the order's currency: 48.00."
        ),
    ] = None,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Record that an order under review was paid or refunded in cash or in the PSP's dashboard. No money moves.

    Example: `bellhop review settled-outside ord_k3v7… --amount 7.00 --why "paid back in cash, receipt 117"`

    Exit code 0 if it is decided, 1 if it was sent but is not decided, 2 if nothing was sent, 3 without confirmation.
    """
    _decide(data_dir, order_id, ReviewResolution.SETTLED_OUTSIDE, why, amount, who=who, yes=yes, as_json=as_json)


def _decide(
    data_dir: Path,
    order_id: str,
    resolution: ReviewResolution,
    why: str,
    amount: str | None,
    *,
    force: bool = False,
    who: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    reason = given_reason(why)

    async def proposed(desk: OperatorSession) -> Proposal:
        order = await under_review(desk.store, order_id)
        money = _money(amount, order)
        return await propose(desk.store, order, resolution, who=acting_as(who), why=reason, amount=money, force=force)

    async def decided(desk: OperatorSession) -> Order:
        return await carry_out(desk.target, desk.store, proposal)

    try:
        proposal = with_session(data_dir, proposed)
        if not as_json:
            _show(proposal)
        if not confirm("Decide so?", yes=yes):
            raise typer.Exit(3)
        order = with_session(data_dir, decided)
    except NotDecidableError as not_done:
        stderr.print(str(not_done), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except NotDecidedError as unknown:
        stderr.print(str(unknown), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(_as_json(Found(order)))
    else:
        console.print(f"{order.order_id} is now {order.summary}.", markup=False, soft_wrap=True)


def _money(amount: str | None, order: Order) -> Money | None:
    try:
        return None if amount is None else amount_of(amount, order.total.currency)
    except ValueError as unreadable:
        raise NotDecidableError(f"Nothing was sent. {unreadable}") from None


def _show(proposal: Proposal) -> None:
    order = proposal.order
    lines = (
        f"{order.order_id} of {order.guest.property_id}, reservation {order.guest.reservation_id}: {order.summary}",
        f"total {readable(order.total)}, the PSP holds {readable(order.refundable)}",
        why_of(order),
        *sentences_of(order),
        f"{proposal.described}: {proposal.forecast.in_full}",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _table_of(found: list[Found]) -> Table:
    now = utc_now()
    rows = (
        (
            one.order.order_id,
            f"total {readable(one.order.total)}\nat the PSP {readable(one.order.refundable)}",
            f"{one.order.guest.property_id}, {one.order.guest.reservation_id}\n{wait_of(one, now)}",
        )
        for one in found
    )
    return table_of(("order", "amounts", "reservation, waits"), rows, whole=("order",))


def _as_json(found: Found) -> dict[str, object]:
    order = found.order
    return {
        "order_id": order.order_id,
        "property_id": order.guest.property_id,
        "reservation_id": order.guest.reservation_id,
        "status": order.status,
        "payment_status": order.payment_status,
        "waiting_since": found.waiting_since.isoformat() if found.waiting_since else None,
        "total": order.total.model_dump(mode="json"),
        "held_by_psp": order.refundable.model_dump(mode="json"),
        "why": why_of(order),
        "actions": list(sentences_of(order)),
    }
