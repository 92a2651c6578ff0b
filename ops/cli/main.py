"""The `bellhop` command."""

import asyncio
import importlib
import importlib.metadata
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cryptography.fernet import Fernet
from rich.table import Table

from chassis.messaging.topology import TopologyMismatchError
from contracts.topology import EXCHANGES, QUEUES
from deploy.local.credentials import Credentials
from deploy.local.process import PartError
from deploy.local.processes import OPERATORS_PAGE, SERVICES
from deploy.local.stack import DATA_DIR, LocalStack, StackInUseError
from gateway.tokens import OperatorRole
from ops.cli import audit as audit_command
from ops.cli import broker, dead, log, plans, review
from ops.cli import closing as closing_command
from ops.cli import orders as orders_command
from ops.cli import psp as psp_command
from ops.cli import queues as watching
from ops.cli import trace as tracing
from ops.cli.console import AsJson, DataDir, Who, acting_as, console, explain_unreachable, needs, print_json, stderr
from ops.core.authorization import given_token
from ops.core.reconcile import reconcile as run_reconcile
from ops.core.target import Target

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_show_locals=False)
for part in (dead, log, plans, psp_command, review):
    app.add_typer(part.app, name=part.NAME)
app.command("broker")(broker.broker)
app.command("queues")(watching.queues)
app.command("orders")(orders_command.orders)
app.command("audit")(audit_command.audit)
app.command("closing")(closing_command.closing)
app.command("audit-log")(watching.audit_log)
app.command("trace")(tracing.trace)


class Role(StrEnum):
    GUEST = "guest"
    STAFF = "staff"
    READER = "reader"
    REPLAYER = "replayer"
    EDITOR = "editor"
    OPERATOR = "operator"  # deprecated: an editor


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

    Commands that look at a system or change it need a token with a role: *reader* looks, *replayer* also replays and
    puts dead letters aside, *editor* also corrects and deletes them (docs/security.md).

    Example: `BELLHOP_OPERATOR_TOKEN_FILE=~/.bellhop-token bellhop dead list`
    """
    given_token.set(token)


@app.command()
def up(data_dir: DataDir = DATA_DIR) -> None:
    """Start the stack on this machine and leave it running until Ctrl-C.

    Example: `bellhop up`

    Exit code 0 when it was asked to stop; 1 when a part did not start or died (its log is shown); 2 when another
    stack uses the folder.
    """
    with explained(), stopping_on_signals(), LocalStack(data_dir, services=(*SERVICES, OPERATORS_PAGE)) as stack:
        show_how_to_try(stack)
        stack.watch()


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data and logs.")] = DATA_DIR,
) -> None:
    """Start the stack, drive real orders through all its steps, print what happened, and stop.

    Example: `bellhop demo`

    Exit code 0 when every order ended as it should.
    """
    run_demo = importlib.import_module("ops.demo").run_demo
    with explained(), stopping_on_signals(code=130), LocalStack(data_dir) as stack:
        code = int(run_demo(stack))
    raise typer.Exit(code)


@app.command()
def token(
    guest: Annotated[str, typer.Option(help="Who it is for: the token's subject.")] = "guest-1",
    property_id: Annotated[str, typer.Option("--property", help="The property.")] = "alpenhof",
    reservation: Annotated[str, typer.Option(help="The reservation.")] = "R-1001",
    stay_from: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; today.")] = None,
    stay_to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; a week later.")] = None,
    role: Annotated[
        Role, typer.Option(help="Guests order; staff fulfil and refund; readers, replayers and editors run the system.")
    ] = Role.GUEST,
    hours: Annotated[float, typer.Option(min=0, help="How long it is valid.")] = 12,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print a signed token that the local stack's gateway accepts.

    Examples: `bellhop token --role staff --hours 1`; for the operator's page `bellhop token --role reader`
    """
    file = data_dir / "secrets.json"
    if not file.exists():
        stderr.print(f"{file} does not exist yet: it is made when the stack first starts (bellhop up).")
        raise typer.Exit(1)
    first = stay_from.date() if stay_from else today()
    last = stay_to.date() if stay_to else first + timedelta(days=7)
    if last < first:
        raise typer.BadParameter(f"{last} is before {first}", param_hint="--stay-to")
    ttl = timedelta(hours=hours)
    signed = Credentials.kept_in(file).mint_token(guest, property_id, reservation, first, last, role=role, ttl=ttl)
    typer.echo(signed)


@app.command()
@needs(OperatorRole.REPLAYER)
def reconcile(
    why: Annotated[str, typer.Option(help="The reason, for the audit log.")] = "",
    who: Who = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Let the running services compare open payments and recent events with the PSP now, and print what changed.

    Also looks at the PSP for the payment of every order that waits for one and has none here, as after a store was
    restored to an earlier time.

    They do so by themselves every few minutes; this is for when you cannot wait.

    Example: `bellhop reconcile --why "webhooks were blocked, INC-42"`

    Exit code 0 when it was done, 1 when the services did not finish, 2 when there is no system to ask.
    """
    with explain_unreachable(), console.status("asking the PSP about open payments and recent events"):
        result = asyncio.run(run_reconcile(Target.from_environment(data_dir), who=acting_as(who), why=why))
    if as_json:
        print_json(asdict(result))
    else:
        console.print(f"Asked the PSP about {result.asked} open payments and its recent events.")
        if result.restored:
            console.print(f"The payments of {result.restored} orders were not known here, or not to their orders.")
        for change in result.changes:
            console.print(f"  {change.id}: {change.before} → {change.after}", soft_wrap=True)
        if not result.changes:
            console.print("Nothing had to be changed.")
    if not result.is_swept:
        stderr.print("The PSP adapter or the payment service did not finish within a minute: do they run?")
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


def show_how_to_try(stack: LocalStack) -> None:
    signed = stack.mint_token("guest-1", "alpenhof", "R-1001", today(), today() + timedelta(days=7))
    console.print("\nA guest's page, with the sandbox's cards (4242 4242 4242 4242 pays):")
    console.print(f"  {stack.gateway_url}/#token={signed}", soft_wrap=True, markup=False)
    operator = stack.mint_token("operator-1", "", "", today(), today(), role=Role.EDITOR)
    console.print("\nThe operator's page: queues, dead letters, replays, an order's trace:", markup=False)
    console.print(f"  {stack.service_urls[OPERATORS_PAGE.name]}/ops#token={operator}", soft_wrap=True, markup=False)
    console.print(f"\nThe API and its documentation: [bold]{stack.gateway_url}/docs[/]")
    console.print("A guest's token (valid 12 h; more with `bellhop token`), and a line to try:\n", markup=False)
    console.print(f"  TOKEN={signed}", soft_wrap=True, markup=False)
    curl = f'  curl -H "Authorization: Bearer $TOKEN" {stack.gateway_url}/v1/extras'
    console.print(curl, soft_wrap=True, markup=False)
    console.print(f"\nLogs are in {stack.data_dir / 'logs'}. Ctrl-C stops everything.", soft_wrap=True, markup=False)


@contextmanager
def explained() -> Iterator[None]:
    """A part that fails is shown as its own words, not as a traceback."""
    try:
        yield
    except StackInUseError as taken:
        stderr.print(str(taken), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except PartError as failed:
        stderr.print(str(failed), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except TopologyMismatchError as older:
        advice = "If this is a local stack from an older version and its data may go, delete its folder (.bellhop)."
        stderr.print(f"{older}\n{advice}", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def stopping_on_signals(code: int = 0) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all stop the stack in order; `code` is the exit code then."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(code) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def today() -> date:
    return datetime.now(UTC).date()


if __name__ == "__main__":
    app()
