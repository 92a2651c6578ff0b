"""`bellhop guest`: what is known of a guest."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from chassis.web.tokens import OperatorRole
from deploy.local.private_files import write_private
from deploy.local.system_env import DATA_DIR
from ops.cli.console import DataDir, OnBehalfOf, Why, acting_as, needs, print_json, stderr, with_session
from ops.core.guests.export import export as export_guest
from ops.core.session import OperatorSession

NAME = "guest"
app = typer.Typer(no_args_is_help=True, help="Say what is known of a guest.")

GuestArgument = Annotated[str, typer.Argument(metavar="GUEST", help="The guest's id, as the signed token says.")]
PropertyOption = Annotated[str, typer.Option("--property", help="The property whose guest it is.")]


@app.command("export")
@needs(OperatorRole.EDITOR)
def export(
    guest_id: GuestArgument,
    property_id: PropertyOption,
    out: Annotated[Path | None, typer.Option(help="Write to this file, which only its owner may read.")] = None,
    why: Why = "",
    who: OnBehalfOf = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write all that is known of a guest as one JSON document: orders, payments, receipts, dead letters, replay plans
    and audit entries, and what the PSP and the message log hold.

    Example: `bellhop guest export guest-anna --property alpenhof --out anna.json --why "request of 26 November"`

    Exit code 0 if something is known, 1 if nothing is, 2 if the system is unavailable.
    """

    async def work(desk: OperatorSession) -> dict[str, Any]:
        return await export_guest(desk, guest_id, property_id, who=acting_as(who), why=why)

    document = with_session(data_dir, work)
    if out is None:
        print_json(document)
    else:
        write_private(out, json.dumps(document, indent=2, ensure_ascii=False))
        stderr.print(f"Written to {out}.", markup=False, soft_wrap=True)
    known = ("orders", "dead_letters", "replay_plans")
    raise typer.Exit(0 if any(document[name] for name in known) else 1)
