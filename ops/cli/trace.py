"""`bellhop trace`: the story of one order, for people and for programs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, stderr
from ops.cli.trace_page import page
from ops.cli.trace_text import lines
from ops.core.target import Target
from ops.core.trace.collect import UnknownOrderError, story_of
from ops.core.trace.mermaid import mermaid
from ops.core.trace.svg import svg

Order = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id (ord_…), or its payment's (pay_…).")]


@needs(OperatorRole.READER)
def trace(
    order: Order,
    as_json: AsJson = False,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid sequence diagram, for Markdown.")] = False,
    svg_file: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw it into an SVG file.")] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Draw it into a page that any browser opens.")
    ] = None,
    whole_log: Annotated[
        bool, typer.Option("--whole-log", help="Read the log since the order's beginning, however long that takes.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show the story of an order, in time order: requests, messages, changes, retries, calls to the PSP.

    Each step is listed under its cause. Read-only: uses the log of the last 7 days and the histories of the order's
    documents. Where the log has more than 10,000 messages since the order's beginning, it is read around the order's
    changes.

    Examples:

    `bellhop trace ord_ui7vuitd2oxc7agcdlmgw5dy26`

    `bellhop trace pay_ui7vuitd2oxc7agcdlmgw5dy26 --json`

    `bellhop trace ord_ui7vuitd2oxc7agcdlmgw5dy26 --html order.html`

    Exit code 0 if the order is known, 1 if a file cannot be written, 2 if nothing is known of the order or the system
    is unavailable.
    """
    with explain_unreachable(), stderr.status("reading the log"):
        try:
            story = asyncio.run(story_of(Target.from_environment(data_dir), order, whole_log=whole_log))
        except UnknownOrderError as unknown:
            stderr.print(str(unknown), markup=False, soft_wrap=True)
            raise typer.Exit(2) from None
    if as_json:
        print_json(story.as_json())
        return
    if as_mermaid:
        typer.echo(mermaid(story), nl=False)
    for file, draw in ((svg_file, svg), (html_file, page)):
        if file is not None:
            _write(file, draw(story))
    if not (as_mermaid or svg_file or html_file):
        for line in lines(story):
            console.print(line, soft_wrap=True)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        stderr.print(f"{file} cannot be written: {error.strerror}.", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(f"Drawn into {file}", markup=False, soft_wrap=True)
