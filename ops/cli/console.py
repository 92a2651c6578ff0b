"""Shared by all commands: output, errors of unavailable systems, and common options."""

import asyncio
import functools
import json
import sys
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from aio_pika.exceptions import AMQPError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.errors import NewerDocumentError, StoreUnavailableError
from chassis.messaging.broker_address import BrokerAddressError
from chassis.runtime.secret_files import SecretFileError
from chassis.storage.settings import StoreAddressError
from chassis.web.tokens import Operator, OperatorRole
from deploy.local.system_env import StaleStackError
from ops.core.authorization import NotAllowedError, authorized
from ops.core.dead_letters.letters import NoSuchLetterError
from ops.core.message_log.stream import NoLogError
from ops.core.plain import error_text
from ops.core.reconcile import NoSuchOrderError
from ops.core.replay.plans import NoSuchPlanError
from ops.core.replay.run import NotRunnableError
from ops.core.session import OperatorSession, session_with
from ops.core.target import MixedSystemError, NoSystemError, OtherPartError
from psp_adapter.account_settings import AccountMistakesError
from psp_adapter.errors import PspBrokenError, PspForbiddenError, PspUnavailableError

NO_TERMINAL = 200
"""Columns if the output is not a terminal (a pipe, a file), where 80 would truncate cells of a table."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else NO_TERMINAL)
stderr = Console(stderr=True, highlight=False)

ResultT = TypeVar("ResultT")


def table_of(
    columns: Iterable[str],
    rows: Iterable[Iterable[str | Text]],
    *,
    whole: Container[str] = (),
    title: str | None = None,
) -> Table:
    """A table that loses nothing on a narrow terminal: words too long for their column continue on its next line.

    Columns in `whole`, for ids that people copy, are never broken: nothing longer belongs into them. A cell given as a
    string is plain text, not rich's markup.
    """
    table = Table(title=title, title_justify="left", show_lines=True)
    for column in columns:
        table.add_column(column, no_wrap=column in whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


_OF_PSP = (PspUnavailableError, PspForbiddenError, PspBrokenError)
CommandP = ParamSpec("CommandP")

_ROLE = "needed_role"
_acting: ContextVar[Operator] = ContextVar("acting_operator")

DataDir = Annotated[Path, typer.Option(help="Where the stack keeps its data, secrets, ports and logs.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
Reason = Annotated[str, typer.Option("--why", help="The reason, for the audit log; at most 500 characters.")]
"""For what `given_reason` checks."""
OnBehalfOf = Annotated[
    str | None, typer.Option(help="The person you act for, for the audit log; your own name is recorded as well.")
]


def needs(role: OperatorRole) -> Callable[[Callable[CommandP, ResultT]], Callable[CommandP, ResultT]]:
    """Restrict a command (with a `data_dir`) to operators of this role; for others it ends with exit code 2."""

    def decorate(command: Callable[CommandP, ResultT]) -> Callable[CommandP, ResultT]:
        @functools.wraps(command)
        def checked(*args: CommandP.args, **kwargs: CommandP.kwargs) -> ResultT:
            data_dir: Any = kwargs["data_dir"]
            with explain_unreachable():
                _acting.set(authorized(data_dir, role))
            return command(*args, **kwargs)

        setattr(checked, _ROLE, role)
        return checked

    return decorate


def needed_role(command: object) -> OperatorRole | None:
    """The role that `needs` gave a command; None: it needs no token."""
    role: OperatorRole | None = getattr(command, _ROLE, None)
    return role


def acting_as(who: str | None = None) -> str:
    """The name for the audit log: the token's subject, and for whom the command is given, if that is another name.

    Raises LookupError outside a command with a role.
    """
    operator_id = _acting.get().operator_id
    return operator_id if who in (None, "", operator_id) else f"{who} (by {operator_id})"


def with_session(data_dir: Path, work: Callable[[OperatorSession], Awaitable[ResultT]]) -> ResultT:
    """Run `work` with a session. An unavailable system or an unknown id ends the command with exit code 2."""

    async def opened() -> ResultT:
        acting_as()  # every command that works on a system has a role
        async with session_with(data_dir) as session:
            return await work(session)

    with explain_unreachable():
        return asyncio.run(opened())


@contextmanager
def explain_unreachable() -> Iterator[None]:
    """Turn errors of unavailable systems and unknown ids into a sentence."""
    try:
        yield
    except (
        NoSystemError,
        StaleStackError,
        NotAllowedError,
        MixedSystemError,
        OtherPartError,
        BrokerAddressError,
        StoreAddressError,
        SecretFileError,
        AccountMistakesError,
        NoSuchLetterError,
        NoSuchPlanError,
        NoSuchOrderError,
        NotRunnableError,
        NoLogError,
        NewerDocumentError,
    ) as nothing:
        stderr.print(str(nothing), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    except (StoreUnavailableError, *_OF_PSP, AMQPError, OSError) as error:
        part = {StoreUnavailableError: "document store", **dict.fromkeys(_OF_PSP, "PSP")}
        name = part.get(type(error), "broker")
        stderr.print(
            f"The {name} is unavailable. Check that the stack runs (`bellhop up`).", markup=False, soft_wrap=True
        )
        stderr.print(f"The error: {error_text(error)}", style="dim", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None


def print_line(line: str) -> None:
    """Print one of many lines for a program. If that has left, as `head` does, the command ends without a word."""
    try:
        typer.echo(line)
    except BrokenPipeError:
        console.on_broken_pipe()


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def given_reason(why: str) -> str:
    """The reason of `--why`, which services keep with what they change. Raises typer.BadParameter."""
    reason = why.strip()
    if not 0 < len(reason) <= 500:
        raise typer.BadParameter("a reason has 1 to 500 characters", param_hint="--why")
    return reason


def confirm(question: str, *, yes: bool) -> bool:
    """Ask for confirmation, unless `--yes` was given. Without a terminal the answer is no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        stderr.print("Aborted: not a terminal. Pass --yes to confirm.", markup=False)
        return False
    return typer.confirm(question)
