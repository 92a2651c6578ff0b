"""`bellhop dead`: lists dead letters and acts on them."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from chassis.web.tokens import OperatorRole
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
    needs,
    print_json,
    stderr,
    with_session,
)
from ops.cli.dead_choosing import chosen_letters, move_letters, stage_named
from ops.cli.dead_view import letters_table, print_letter
from ops.cli.filters import moment_of, takes_filter
from ops.cli.plans import AcceptChanges, Again, Rate, WhyToRun, carry_out, show_plan
from ops.core import dead_letter_actions as actions
from ops.core import replay_planning as planning
from ops.core.dead_letters.editing import EditError, EditSettings
from ops.core.dead_letters.letters import DeadLetter, Stage, summary
from ops.core.messages import Filter
from ops.core.replay.run import RunOptions
from ops.core.session import OperatorSession

NAME = "dead"
app = typer.Typer(no_args_is_help=True, help="List dead letters, replay, put back, edit, discard and restore them.")

Ids = Annotated[
    list[str] | None, typer.Argument(help="Ids as `bellhop dead list` shows them; their beginning is enough.")
]


@app.command("list")
@needs(OperatorRole.READER)
@takes_filter()
def list_letters(
    wanted: Filter,
    stage: Annotated[str, typer.Option(help="waiting, replayed, edited, discarded, or any.")] = "waiting",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List dead letters, the oldest failure first.

    Example: `bellhop dead list --queue 'extras.*' --error UnknownOrder --since 2h`

    Exit code 0 if there are none, 1 if there are some (so a script notices), 2 if the system is unavailable.
    """
    of_stage = stage_named(stage)
    letters = with_session(data_dir, lambda desk: actions.find(desk, wanted, of_stage))
    if as_json:
        print_json([summary(letter) for letter in letters])
    elif letters:
        console.print(letters_table(letters, f"{len(letters)} dead letters, {wanted}"))
        console.print("bellhop dead show ID · bellhop dead replay (same filters)", style="dim", soft_wrap=True)
    else:
        console.print(f"[green]✓[/] No dead letters ({stage}): {wanted}.", soft_wrap=True)
    raise typer.Exit(1 if letters else 0)


@app.command()
@needs(OperatorRole.READER)
def show(letter_id: str, as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show one dead letter: body, headers, error, the forecast of a replay, and its order's messages.

    Example: `bellhop dead show dl_4f1c`
    """

    details = with_session(data_dir, lambda desk: actions.describe(desk, letter_id))
    if as_json:
        known = {"forecast": str(details.forecast), "timeline": details.timeline}
        print_json({**details.letter.model_dump(mode="json"), **known})
        return
    print_letter(details.letter, str(details.forecast), details.timeline)


@app.command()
@needs(OperatorRole.REPLAYER)
@takes_filter()
def replay(
    wanted: Filter,
    ids: Ids = None,
    why: WhyToRun = None,
    who: OnBehalfOf = None,
    rate: Rate = 10.0,
    stop_after: Annotated[int, typer.Option(min=1, help="Stop when so many have failed again.")] = 1,
    accept_changes: AcceptChanges = False,
    again: Again = False,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Plan a replay of waiting dead letters, show the forecasts, and run exactly that plan after confirmation.

    Every message goes to the one queue it came from. Messages that were handled meanwhile are skipped.

    Examples:

    `bellhop dead replay --error StoreUnavailable` saves and shows the plan, and asks.

    `bellhop dead replay dl_4f1c dl_a80b --why "store was down, INC-42" --yes` runs it.

    `bellhop plans run rp_1b2c3d4e --why "…"` runs or resumes a saved plan.

    Exit code 0 if all went well, 1 if messages failed again, 2 if there is nothing to replay, 3 if the plan was only
    saved.
    """
    plan, items = with_session(data_dir, lambda desk: planning.of_letters(desk, ids, wanted, acting_as(who)))
    if not items:
        stderr.print(f"Nothing to replay: no dead letter is waiting for {wanted}.", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    if not as_json:
        show_plan(plan, items)
    orders = RunOptions(acting_as(who), why or "", rate, stop_after, accept_changes, again)
    carry_out(data_dir, plan, orders, yes=yes, as_json=as_json)


@app.command()
@needs(OperatorRole.EDITOR)
def edit(
    letter_id: str,
    why: Why,
    assign: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE; again for more fields.")] = None,
    body: Annotated[str | None, typer.Option(help="A file with a whole new body; - for standard input.")] = None,
    kind: Annotated[str | None, typer.Option(help="Another kind; needs BELLHOP_EDIT_IDENTITY=true.")] = None,
    who: OnBehalfOf = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Replace a waiting dead letter by a corrected copy. Nothing is sent: replay the copy afterwards.

    The copy must satisfy the contract, gets a new message id and refers to the original; the original is kept. Kind
    and ids (order, payment, refund, guest …) stay as they are, unless BELLHOP_EDIT_IDENTITY is true.

    Example: `bellhop dead edit dl_4f1c --set amount.amount=4800 --why "typo in the import, INC-42"`

    Exit code 2 if the contract refuses it, or it would be about another object; nothing is changed then.
    """
    new_body = (sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()) if body else None

    async def work(desk: OperatorSession) -> DeadLetter:
        name = acting_as(who)
        return await actions.edit(
            desk,
            letter_id,
            who=name,
            why=why,
            assignments=assign or (),
            body=new_body,
            kind=kind,
            may_change_identity=EditSettings().edit_identity,
        )

    try:
        fresh = with_session(data_dir, work)
    except EditError as refused:
        stderr.print(f"Not edited: {refused}.", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if as_json:
        print_json(summary(fresh))
        return
    console.print(
        f"{fresh.edited_from} is replaced by [bold]{fresh.letter_id}[/] (message {escape(fresh.message.message_id)})."
    )
    console.print(f"[dim]bellhop dead replay {fresh.letter_id} sends it[/]")


@app.command()
@needs(OperatorRole.REPLAYER)
@takes_filter()
def discard(
    why: Why,
    wanted: Filter,
    ids: Ids = None,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Discard dead letters. They are kept, and `restore` brings them back, until `bellhop dead empty`.

    Example: `bellhop dead discard dl_4f1c --why "test order, INC-42"`
    """
    move_letters(
        data_dir,
        ids,
        wanted,
        Stage.WAITING,
        Stage.DISCARDED,
        why=why,
        who=who,
        yes=yes,
        action="discard",
        as_json=as_json,
    )


@app.command()
@needs(OperatorRole.REPLAYER)
@takes_filter()
def restore(
    why: Why,
    wanted: Filter,
    ids: Ids = None,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Let discarded dead letters wait again.

    Example: `bellhop dead restore dl_4f1c --why "discarded by mistake"`
    """
    move_letters(
        data_dir,
        ids,
        wanted,
        Stage.DISCARDED,
        Stage.WAITING,
        why=why,
        who=who,
        yes=yes,
        action="restore",
        as_json=as_json,
    )


@app.command("put-back")
@needs(OperatorRole.REPLAYER)
@takes_filter()
def put_back(
    why: Why,
    wanted: Filter,
    ids: Ids = None,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Return messages that the broker refused to their outboxes: their services publish them again.

    For letters that say *in the outbox of*; a replay skips those. One that is refused for five minutes more comes back
    as a new letter.

    Example: `bellhop dead put-back --error ACCESS_REFUSED --why "rights mended, INC-42"`
    """
    chosen = chosen_letters(data_dir, ids, wanted, Stage.WAITING, "put back", yes=yes, as_json=as_json, of_outbox=True)

    async def work(desk: OperatorSession) -> int:
        return await actions.put_back(desk, chosen, who=acting_as(who), why=why)

    done = with_session(data_dir, work)
    if as_json:
        print_json({"chosen": [letter.letter_id for letter in chosen], "put_back": done})
    else:
        console.print(f"{done} of {len(chosen)} messages are back in their outboxes.")
    raise typer.Exit(0 if done == len(chosen) else 1)


@app.command()
@needs(OperatorRole.EDITOR)
def empty(
    why: Why,
    older_than: Annotated[str | None, typer.Option(help="Only those that failed before: 30d, 2026-11-01.")] = None,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Delete discarded dead letters permanently. No other command deletes one.

    Example: `bellhop dead empty --older-than 30d --why "monthly"`
    """
    wanted = Filter(until=moment_of(older_than, "--older-than"))
    letters = with_session(data_dir, lambda desk: desk.letters.matching(wanted, Stage.DISCARDED))
    if not letters:
        print_json({"deleted": 0}) if as_json else console.print("Nothing is discarded.")
        return
    if not confirm(f"Delete {len(letters)} discarded dead letters permanently?", yes=yes):
        raise typer.Exit(3)

    deleted = with_session(data_dir, lambda desk: actions.delete(desk, letters, who=acting_as(who), why=why))
    print_json({"deleted": deleted}) if as_json else console.print(f"{deleted} dead letters deleted.")
