"""Selects the dead letters of a command, and asks for confirmation."""

from pathlib import Path

import typer

from ops.cli.console import acting_as, confirm, console, print_json, stderr, with_session
from ops.cli.dead_view import letters_table
from ops.core import dead_letter_actions as actions
from ops.core.dead_letters.letters import DeadLetter, Stage
from ops.core.messages import Filter
from ops.core.session import OperatorSession


def chosen_letters(
    data_dir: Path,
    ids: list[str] | None,
    wanted: Filter,
    come_from: Stage,
    action: str,
    *,
    yes: bool,
    as_json: bool,
    of_outbox: bool = False,
) -> list[DeadLetter]:
    """The letters selected by ids or a filter, after confirmation; `of_outbox`: only those of outboxes. Ends the
    command with exit code 2 if there are none, and 3 without confirmation."""
    if not ids and wanted == Filter():
        stderr.print(f"Name letters by id, or with a filter; to {action} all, `--since 100d`.", markup=False)
        raise typer.Exit(2)
    found = with_session(data_dir, lambda desk: actions.select(desk, ids, wanted, come_from))
    letters = [letter for letter in found if letter.outbox_of or not of_outbox]
    if not letters:
        sort = "dead letter of an outbox" if of_outbox else "dead letter"
        stderr.print(f"No {sort} is {come_from}: {', '.join(ids) if ids else wanted}.", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    if not ids:
        if not as_json:
            console.print(letters_table(letters, f"to {action}"))
        if not confirm(f"{action.capitalize()} these {len(letters)}?", yes=yes):
            raise typer.Exit(3)
    return letters


def move_letters(
    data_dir: Path,
    ids: list[str] | None,
    wanted: Filter,
    come_from: Stage,
    to: Stage,
    *,
    why: str,
    who: str | None,
    yes: bool,
    action: str,
    as_json: bool,
) -> None:
    """Move the letters selected by ids or a filter to another stage, and end the command: exit code 0, or 1 if some
    were no longer in their former stage."""
    letters = chosen_letters(data_dir, ids, wanted, come_from, action, yes=yes, as_json=as_json)

    async def work(desk: OperatorSession) -> int:
        return await actions.set_stage(desk, letters, to, action, who=acting_as(who), why=why)

    moved = with_session(data_dir, work)
    if as_json:
        print_json({"stage": to, "chosen": [letter.letter_id for letter in letters], "moved": moved})
    else:
        console.print(f"{moved} of {len(letters)} dead letters are now {to}.")
    raise typer.Exit(0 if moved == len(letters) else 1)


def stage_named(name: str) -> Stage | None:
    """The stage that `--stage` names; None for `any`. Ends the command with a sentence for another word."""
    if name == "any":
        return None
    try:
        return Stage(name)
    except ValueError:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Stage)}, any", param_hint="--stage") from None
