"""The `bellhop` command."""

import asyncio
import importlib.metadata
import json
from dataclasses import asdict
from typing import Annotated

import typer
from cryptography.fernet import Fernet
from rich.table import Table

from chassis.web.tokens import OperatorRole
from contracts.ids import OrderId
from contracts.topology import EXCHANGES, QUEUES
from deploy.local.system_env import DATA_DIR
from ops.cli import (
    audit,
    audit_log,
    broker,
    catalogue,
    closing,
    dead,
    doctor,
    guest,
    local_stack,
    log,
    mail,
    orders,
    plans,
    psp,
    queues,
    review,
    store,
    tokens,
    trace,
    webhooks,
)
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    acting_as,
    console,
    explain_unreachable,
    needs,
    print_json,
    stderr,
)
from ops.core.authorization import given_token
from ops.core.reconcile import reconcile as run_reconcile
from ops.core.target import Target

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_show_locals=False)
for part in (catalogue, dead, guest, log, mail, plans, psp, review, webhooks):
    app.add_typer(part.app, name=part.NAME)
app.command("broker")(broker.broker)
app.command("store")(store.store)
app.command("queues")(queues.queues)
app.command("orders")(orders.orders)
app.command("audit")(audit.audit)
app.command("doctor")(doctor.doctor)
app.command("closing")(closing.closing)
app.command("audit-log")(audit_log.audit_log)
app.command("trace")(trace.trace)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bellhop {importlib.metadata.version('bellhop')}")
        raise typer.Exit


@app.callback()
def bellhop(
    token: Annotated[
        str | None,
        typer.Option(help="An operator's signed token; else BELLHOP_OPERATOR_TOKEN. The local stack needs none."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Paid orders for hotel extras over a message bus.

    Commands that read or change a system need a token with a role: *reader* reads, *replayer* also replays and
    discards dead letters, *editor* also edits and deletes them (docs/security.md).

    Example: `BELLHOP_OPERATOR_TOKEN_FILE=~/.bellhop-token bellhop dead list`
    """
    given_token.set(token)


for command in (local_stack.up, local_stack.demo, tokens.token):
    app.command()(command)


@app.command()
@needs(OperatorRole.REPLAYER)
def reconcile(
    why: Annotated[str, typer.Option(help="The reason, for the audit log.")] = "",
    order: Annotated[
        list[str] | None,
        typer.Option("--order", help="Also this order, whatever its status: ord_…. Repeat it for several."),
    ] = None,
    who: OnBehalfOf = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Have the running services compare open payments and recent events with the PSP, and print the changes.

    Also searches the PSP for the payments of orders that wait for one unknown here, as after a restore of the store.

    The services do so by themselves every few minutes; this command does it at once. A refund of which the payment
    service has not heard is asked for again: of the orders it looks at, and of those named with --order.

    Example: `bellhop reconcile --why "webhooks were blocked, INC-42"`

    Example: `bellhop reconcile --order ord_hkst5ncncfkdp3o22o6fciod4m --why "the broker was lost, INC-43"`

    Exit code 0 if it was done, 1 if the services did not finish, 2 if there is no system or no such order.
    """
    with explain_unreachable(), console.status("asking the PSP about open payments and recent events"):
        target, orders = Target.from_environment(data_dir), [OrderId(each) for each in order or ()]
        result = asyncio.run(run_reconcile(target, who=acting_as(who), why=why, orders=orders))
    if as_json:
        print_json(asdict(result))
    else:
        console.print(f"Asked the PSP about {result.asked} open payments and its recent events.")
        if result.restored:
            console.print(
                f"Payments or refunds of {result.restored} orders were not known here, or not to their orders."
            )
        for change in result.changes:
            console.print(f"  {change.id}: {change.before} → {change.after}", soft_wrap=True)
        if not result.changes:
            console.print("No changes were needed.")
    if not result.is_swept:
        stderr.print("The PSP adapter or the payment service did not finish within a minute: check that they run.")
        raise typer.Exit(1)


@app.command()
def topology(as_json: AsJson = False) -> None:
    """Print the exchanges and queues every service declares at its start.

    Example: `bellhop topology --json`
    """
    if as_json:
        described = {"exchanges": [asdict(item) for item in EXCHANGES], "queues": [asdict(item) for item in QUEUES]}
        typer.echo(json.dumps(described, indent=2))
        return
    exchanges = Table("exchange", "type", "purpose", title="Exchanges", title_justify="left")
    for exchange in EXCHANGES:
        exchanges.add_row(exchange.name, exchange.type, exchange.purpose)
    queues = Table(title="Queues", title_justify="left")
    queues.add_column("queue", no_wrap=True)
    queues.add_column("type")
    queues.add_column("bound to", overflow="fold")
    queues.add_column("purpose")
    for queue in QUEUES:
        bound = "\n".join(f"{binding.exchange} {binding.routing_key}" for binding in queue.bindings)
        queues.add_row(queue.name, queue.type, bound, queue.purpose)
    console.print(exchanges, queues)


@app.command()
def seal_key() -> None:
    """Print a new key for BELLHOP_SEAL_KEYS.

    To rotate without a gap: give gateway and adapter `old,new` and restart both, then `new,old`, then `new` alone.

    Example: `BELLHOP_SEAL_KEYS="$BELLHOP_SEAL_KEYS,$(bellhop seal-key)"`
    """
    typer.echo(Fernet.generate_key().decode())


if __name__ == "__main__":
    app()
