"""`bellhop queues`."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chassis.messaging.envelope import utc_now
from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, needs, print_json, with_session
from ops.core import timespec
from ops.core.queues import QueueState, look_at


@needs(OperatorRole.READER)
def queues(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks.")] = 2.0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show every queue: depth, age, consumers, rates, retries and dead letters.

    Also names every queue, exchange and binding that is missing, differs from this version's topology, or does not
    belong to it. That and rates need the broker's management API: the local stack's, or BELLHOP_MANAGEMENT_URL.

    Example: `bellhop queues --watch`

    Exit code 0 if nothing needs an operator, 1 if a queue does, 2 if the broker is unavailable.
    """
    states = with_session(data_dir, look_at)
    if as_json:
        print_json([{**asdict(state), "problem": state.problem} for state in states])
    elif watch:
        _watch(states, every, lambda: with_session(data_dir, look_at))
    else:
        console.print(_shown(states))
    raise typer.Exit(1 if any(state.problem for state in states) else 0)


def _watch(states: list[QueueState], every: float, again: Callable[[], list[QueueState]]) -> None:
    try:
        with Live(_shown(states), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(_shown(again()), refresh=True)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _shown(states: list[QueueState]) -> RenderableType:
    table = Table(title=f"Queues at {utc_now():%H:%M:%S} UTC", title_justify="left")
    table.add_column("queue", no_wrap=True)
    for name in ("messages", "oldest", "in/s", "out/s", "consumers"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    now = utc_now()
    for state in states:
        table.add_row(
            state.name,
            str(state.messages) if state.exists else "-",
            timespec.relative(state.oldest, now) if state.oldest else "",
            "" if state.coming is None else f"{state.coming:g}",
            "" if state.leaving is None else f"{state.leaving:g}",
            str(state.consumers) if state.role in ("work", "reads") else "",
            state.problem or "",
            style="red" if state.problem else ("yellow" if state.role == "retry" and state.messages else None),
        )
    retrying = sum(state.messages for state in states if state.role == "retry")
    dead = sum(state.messages for state in states if state.role == "dead")
    lines = [f"{retrying} messages wait for a retry, {dead} dead letters wait for a decision."]
    if all(state.coming is None for state in states):
        lines.append("The management API does not answer, so rates are unknown and bindings were not compared.")
    return Group(table, Text("\n".join(lines)))
