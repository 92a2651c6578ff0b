"""`bellhop plans`: lists, runs, pauses and resumes replay plans. Shared by `dead replay` and `log replay`."""

import asyncio
import signal
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from chassis.runtime import background
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    acting_as,
    confirm,
    console,
    needs,
    print_json,
    stderr,
    table_of,
    with_session,
)
from ops.core import replay_planning as planning
from ops.core.replay.plans import Plan, Planned, PlanStage, by_forecast, by_kind
from ops.core.replay.run import Report, RunOptions
from ops.core.session import OperatorSession

NAME = "plans"
app = typer.Typer(no_args_is_help=True, help="Saved replay plans: list, show, run, pause, resume.")

SHOWN = 50

AcceptChanges = Annotated[bool, typer.Option("--accept-changes", help="Also send messages whose forecast has changed.")]
WhyToRun = Annotated[str | None, typer.Option(help="The reason, for the audit log; needed to run the plan.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Messages per second.")]
Again = Annotated[bool, typer.Option("--again", help="Also send messages that another plan has sent.")]


@app.command("list")
@needs(OperatorRole.READER)
def list_plans(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the saved plans, the newest last.

    Example: `bellhop plans list`
    """
    plans = with_session(data_dir, lambda desk: desk.plans.all())
    if as_json:
        print_json([plan.model_dump(mode="json") for plan in plans])
        return
    rows = (
        (
            f"{plan.plan_id}\n{plan.made_at:%Y-%m-%d %H:%M}",
            plan.made_by,
            f"{plan.source}: {plan.description}",
            str(plan.messages),
            plan.stage,
        )
        for plan in plans
    )
    table = table_of(("plan", "by", "from", "messages", "stage"), rows, whole=("plan", "messages"))
    console.print(table if plans else "No plan has been made yet.")


@app.command()
@needs(OperatorRole.READER)
def show(plan_id: str, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show a plan: every message with its forecast and its result.

    Example: `bellhop plans show rp_1b2c3d4e`
    """
    plan, items = with_session(data_dir, lambda desk: desk.plans.named(plan_id))
    if as_json:
        print_json({**plan.model_dump(mode="json"), "items": [item.model_dump(mode="json") for item in items]})
        return
    show_plan(plan, items, most=len(items))


@app.command()
@needs(OperatorRole.REPLAYER)
def run(
    plan_id: str,
    why: Annotated[str, typer.Option(help="The reason, for the audit log.")],
    who: OnBehalfOf = None,
    rate: Rate = 10.0,
    stop_after: Annotated[int, typer.Option(min=1, help="Stop when so many have failed again.")] = 1,
    accept_changes: AcceptChanges = False,
    again: Again = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Run a saved plan, or what is left of one that was paused or stopped. Ctrl-C pauses it.

    Each message is forecast again before it is sent. If the forecast differs from the plan's, the run stops without
    sending it: look at `bellhop plans show`, and continue with `--accept-changes`.

    Examples:

    `bellhop plans run rp_1b2c3d4e --why "store is back, INC-42" --rate 5`

    `bellhop plans run rp_1b2c3d4e --why "checked by hand, INC-42" --accept-changes`
    """
    plan, _items = with_session(data_dir, lambda desk: desk.plans.named(plan_id))
    orders = RunOptions(acting_as(who), why, rate, stop_after, accept_changes, again)
    carry_out(data_dir, plan, orders, yes=True, as_json=as_json)


@app.command()
@needs(OperatorRole.REPLAYER)
def pause(
    plan_id: str,
    why: Annotated[str, typer.Option(help="The reason, for the audit log.")] = "",
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Pause a running plan, from any machine, after its current message. `bellhop plans run` resumes it.

    Example: `bellhop plans pause rp_1b2c3d4e`
    """

    paused = with_session(data_dir, lambda desk: planning.pause(desk, plan_id, who=acting_as(who), why=why))
    if as_json:
        print_json({"plan_id": plan_id, "paused": paused})
    elif paused:
        console.print(f"{plan_id} is paused.")
    else:
        stderr.print(f"{plan_id} is not running.", markup=False)
    raise typer.Exit(0 if paused else 1)


def show_plan(plan: Plan, items: Sequence[Planned], most: int = SHOWN) -> None:
    """A plan for people: counts, then message by message."""
    console.print(f"Plan [bold]{plan.plan_id}[/]: {plan.messages} messages ({plan.description})", soft_wrap=True)
    for counts in (by_kind(items), by_forecast(items)):
        console.print(
            "  " + ", ".join(f"{count} of {name}" for name, count in counts.most_common()), markup=False, soft_wrap=True
        )
    table = Table(show_lines=True)
    table.add_column("#", no_wrap=True, justify="right")
    table.add_column("message", overflow="fold")
    table.add_column("would then", overflow="fold")
    was_run = any(item.result or item.remark for item in items)
    if was_run:
        table.add_column("was", overflow="fold")
    for item in items[:most]:
        about = item.message.order_id or item.message.correlation_id
        what = Text(f"{item.message.kind}\nto {item.queue}\n{about}")
        was = [Text(f"{item.result or ''} {item.remark}".strip())] if was_run else []
        table.add_row(str(item.number), what, Text(str(item.forecast)), *was)
    console.print(table)
    if len(items) > most:
        console.print(f"[dim]… and {len(items) - most} more: bellhop plans show {plan.plan_id}[/]")


def carry_out(data_dir: Path, plan: Plan, orders: RunOptions, *, yes: bool, as_json: bool) -> None:
    """Run a plan if a reason is given and the operator confirms, else print how to run it. Ends the command."""
    question = f"Run this plan ({plan.messages} messages, {orders.rate:g}/s)?"
    if not orders.why or not confirm(question, yes=yes):
        if as_json:
            print_json({**plan.model_dump(mode="json"), "run": False})
        else:
            console.print(f'Saved, not run. To run it: bellhop plans run {plan.plan_id} --why "…"', markup=False)
        raise typer.Exit(3)
    report = _run(data_dir, plan, orders, quiet=as_json)
    if as_json:
        print_json({"plan_id": plan.plan_id, **asdict(report)})
    else:
        _tell(plan, report)
    raise typer.Exit(0 if report.stage is PlanStage.DONE and not report.failed else 1)


def _run(data_dir: Path, plan: Plan, orders: RunOptions, *, quiet: bool) -> Report:
    with Progress(console=stderr, disable=quiet, transient=True) as progress:
        bar = progress.add_task(f"replaying {plan.plan_id}", total=plan.messages)

        async def work(desk: OperatorSession) -> Report:
            return await _pausing_on_interrupt(desk, plan, orders, lambda _item: progress.advance(bar))

        return with_session(data_dir, work)


async def _pausing_on_interrupt(desk: OperatorSession, plan: Plan, orders: RunOptions, advance: Any) -> Report:
    loop = asyncio.get_running_loop()
    pausing: list[asyncio.Task[bool]] = []

    def on_interrupt() -> None:
        pausing.append(background.start(desk.plans.pause(plan.plan_id), f"pause of {plan.plan_id}"))

    is_main = threading.current_thread() is threading.main_thread()  # only there signals can be handled
    if is_main:
        loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        return await desk.runner.run(plan.plan_id, orders, advance)
    finally:
        if is_main:
            loop.remove_signal_handler(signal.SIGINT)
        await asyncio.gather(*pausing)


def _tell(plan: Plan, report: Report) -> None:
    counts = f"{report.sent} sent, {report.skipped} skipped, {report.failed} failed again, {report.left} left"
    because = report.reason and f"\n{report.reason}"
    match report.stage:
        case PlanStage.DONE if not report.failed:
            console.print(f"[green]✓[/] {plan.plan_id} is done: {counts}.")
        case PlanStage.DONE:
            console.print(f"{plan.plan_id} is done: {counts}. See bellhop dead list.", style="yellow")
        case stage:
            console.print(
                f"{plan.plan_id} is {stage}: {counts}.{because}", style="yellow", markup=False, soft_wrap=True
            )
            console.print(f'bellhop plans show {plan.plan_id} · bellhop plans run {plan.plan_id} --why "…" goes on')
