"""`bellhop up` and `demo`: the stack on this machine.

What starts and supervises it is imported where it is used: the other commands do not load it.
"""

from pathlib import Path
from typing import Annotated

import typer

from deploy.local.system_env import DATA_DIR
from ops.cli.console import DataDir


def up(
    data_dir: DataDir = DATA_DIR,
    observe: Annotated[
        bool,
        typer.Option("--observe", help="Also run Prometheus, Alertmanager, Grafana and a store of traces, in Docker."),
    ] = False,
) -> None:
    """Start the stack on this machine and leave it running until Ctrl-C.

    Example: `bellhop up`

    Exit code 0 after a requested stop; 1 if a part did not start or died (its log is shown); 2 if another stack uses
    the folder, or if there is no Docker for --observe.
    """
    from ops.cli import supervisor  # noqa: PLC0415

    supervisor.run(data_dir, observe=observe)


def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data and logs.")] = DATA_DIR,
) -> None:
    """Start the stack, drive real orders through all its steps, print what happened, and stop.

    Example: `bellhop demo`

    Exit code 0 when every order ended as it should.
    """
    from ops.cli import supervisor  # noqa: PLC0415

    raise typer.Exit(supervisor.run_demo_on(data_dir))
