"""`bellhop audit`: compares every order's money with the PSP."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from chassis.amounts import written
from chassis.messaging.envelope import utc_now
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, stderr, table_of
from ops.cli.csv_output import print_csv
from ops.cli.filters import moment_of
from ops.core import timespec
from ops.core.audit.findings import Audit, Finding
from ops.core.audit.run import Progress as ShowsProgress
from ops.core.audit.run import audit as run_audit
from ops.core.target import Target

AsCsv = Annotated[bool, typer.Option("--csv", help="For spreadsheets.")]

_COLUMNS = ("kind", "order_id", "payment_id", "psp_references", "amount", "currency", "since", "problem")


@needs(OperatorRole.READER)
def audit(
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what was ordered, charged, refunded or disputed since (2h, 3d, a time), and what waits."
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare every order with the PSP's ledger, and print those whose money is not accounted for.

    Looks at the local stack, or at the system that BELLHOP_MONGODB_URL, BELLHOP_AMQP_URL and STRIPE_API_KEY name.
    Read-only. Findings are read again before they are reported. Reviews and disputes are listed as open questions.

    Examples:

    `bellhop audit`

    `bellhop audit --since 2h --csv`

    Exit code 0 if all of it adds up, 1 if there are findings, 2 if the stores or the PSP are unavailable.
    """
    begin = moment_of(since, "--since")
    with explain_unreachable(), _progress() as progress:
        result = asyncio.run(run_audit(Target.from_environment(data_dir), since=begin, progress=progress))
    if as_json:
        print_json(
            asdict(result)
            | {
                "findings": [finding.as_json() for finding in result.findings],
                "open_questions": [question.as_json() for question in result.open_questions],
            }
        )
    elif as_csv:
        print_csv(_COLUMNS, map(_row, (*result.findings, *result.open_questions)))
    else:
        _print(result)
    raise typer.Exit(1 if result.findings else 0)


def _row(finding: Finding) -> dict[str, object]:
    return finding.as_json() | {"psp_references": " ".join(finding.psp_references)}


def _print(result: Audit) -> None:
    counted = f"{result.orders} orders, {result.payments} payments, {result.psp_payments} payments at the PSP"
    if len(result.by_account) > 1:
        counted += f" ({', '.join(f'{number} at {account}' for account, number in result.by_account.items())})"
    if result.since is not None:
        counted += f" since {result.since:%Y-%m-%d %H:%M}"
    if result.open_questions:
        console.print(_table(result.open_questions, "Open questions"))
    if result.findings:
        console.print(_table(result.findings, f"Findings among {counted}"))
    else:
        console.print(f"[green]✓[/] {counted}: every order's money is accounted for.")


def _table(findings: Iterable[Finding], title: str) -> Table:
    now = utc_now()
    rows = (
        (
            "\n".join(filter(None, (finding.order_id, *finding.psp_references))),
            "" if finding.amount is None else written(finding.amount, finding.currency),
            timespec.relative(finding.since, now) if finding.since else "",
            f"{finding.kind}\n{finding.problem}",
        )
        for finding in findings
    )
    return table_of(
        ("order, at the PSP", "amount", "since", "problem"), rows, whole=("order, at the PSP",), title=title
    )


@contextmanager
def _progress() -> Iterator[ShowsProgress]:
    """A progress bar, only on a terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"))
    bars = Progress(*columns, TaskProgressColumn(), TimeElapsedColumn(), console=stderr, transient=True)
    tasks: dict[str, TaskID] = {}

    def show(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield show
