"""`bellhop guest`: what is known of a guest, and its erasure."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from chassis.web.tokens import OperatorRole
from deploy.local.private_files import write_private
from deploy.local.system_env import DATA_DIR
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    Why,
    Yes,
    acting_as,
    confirm,
    console,
    given_reason,
    needs,
    print_json,
    stderr,
    with_session,
)
from ops.core.guests import ledger
from ops.core.guests.erase import NotErasableError, Proposal, Report, carry_out, propose
from ops.core.guests.export import export as export_guest
from ops.core.guests.export import summary_of
from ops.core.session import OperatorSession

NAME = "guest"
app = typer.Typer(no_args_is_help=True, help="Say what is known of a guest, and erase it.")

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
    has_address = bool(document["contact"] and document["contact"]["email"])
    known = ("orders", "dead_letters", "replay_plans")
    raise typer.Exit(0 if has_address or any(document[name] for name in known) else 1)


@app.command("erase")
@needs(OperatorRole.EDITOR)
def erase(
    guest_id: GuestArgument,
    property_id: PropertyOption,
    why: Why,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Erase what is known of a guest: say first what would go, what would stay and why, then ask.

    Orders keep amounts, days and ids under a pseudonym. An order that is not final forgets the guest once it is.

    Example: `bellhop guest erase guest-anna --property alpenhof --why "request of 26 November"`

    Exit code 0 if it is done, 1 if something is left for later, 2 if nothing was erased, 3 without confirmation.
    """
    reason = given_reason(why)

    async def proposed(desk: OperatorSession) -> Proposal:
        return await propose(desk, guest_id, property_id)

    async def erased(desk: OperatorSession) -> Report:
        return await carry_out(desk, proposal, who=acting_as(who), why=reason)

    try:
        proposal = with_session(data_dir, proposed)
    except NotErasableError as running:
        stderr.print(str(running), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if not as_json:
        _show(proposal)
    if proposal.known.is_nothing and not as_json:
        raise typer.Exit(0)
    if not confirm("Erase it?", yes=yes):
        raise typer.Exit(3)
    report = with_session(data_dir, erased)
    if as_json:
        print_json(asdict(report))
    else:
        console.print(f"As {report.pseudonym}: {report.summary}.", markup=False, soft_wrap=True)
    raise typer.Exit(1 if report.unanswered or report.left else 0)


def _show(proposal: Proposal) -> None:
    known = proposal.known
    lines = [f"Known of {known.guest_id} at {known.property_id}: {summary_of(known)}."]
    lines += [f"{order.order_id}, {order.summary}: forgets the guest now" for order in proposal.final]
    lines += [f"{order_id}: forgets the guest later, because {reason}" for order_id, reason in proposal.open.items()]
    lines += [
        "Stay: amounts, days, extras, receipts and ids of orders; who moved money among the staff.",
        f"Not here: PaymentIntents at Stripe ({len(known.psp_references)}), the message log for 7 days, and backups.",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


@app.command("erasures")
@needs(OperatorRole.EDITOR)
def erasures(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the orders that were asked to forget their guests, to keep the list beside the backups.

    Example: `bellhop guest erasures --json > erasures.json`
    """
    entries = with_session(data_dir, lambda desk: ledger.entries(desk.store))
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    for entry in entries:
        console.print(f"{entry.asked_at:%Y-%m-%d %H:%M} {entry.order_id} {entry.pseudonym}", markup=False)
    if not entries:
        console.print("No order was asked to forget its guest.")


@app.command("erase-again")
@needs(OperatorRole.EDITOR)
def erase_again(
    why: Why,
    file: Annotated[
        Path | None,
        typer.Option("--from", help="A list of `bellhop guest erasures --json` that is newer than the backup."),
    ] = None,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Erase again what a restored backup has brought back, and what dead letters and plans say of erased orders.

    The extras service does so by itself within an hour, by the list in the store; a list that was restored as well
    lacks the erasures since the backup: give them with `--from`. Dead letters and messages of replay plans about
    orders that have forgotten their guests are rewritten: run it each night where orders forget by age.

    Example: `bellhop guest erase-again --from erasures.json --why "restored the backup of Monday"`

    Exit code 0 if it was asked for, 2 if the system is unavailable or the file is not such a list.
    """
    try:
        added = ledger.read(file.read_text()) if file else []
    except (OSError, ValueError) as wrong:
        raise typer.BadParameter(str(wrong).partition("\n")[0], param_hint="--from") from None
    done = with_session(data_dir, lambda desk: ledger.erase_again(desk, added, who=acting_as(who), why=why))
    if as_json:
        print_json(asdict(done))
        return
    console.print(f"Orders asked again to forget their guests: {done.asked_again}.")
    console.print(f"Rewritten dead letters: {done.letters}, messages of replay plans: {done.planned}.")
