"""The options that say which messages a command is about: one list, in every command that takes a filter."""

import functools
import inspect
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from chassis.messaging.envelope import utc_now
from ops.core import timespec
from ops.core.messages import Filter

ResultT = TypeVar("ResultT")

Since = Annotated[str | None, typer.Option(help="Not before: 15m, 2h, 3d (ago), 12:30 (UTC), 2026-11-24T12:30.")]
Until = Annotated[str | None, typer.Option(help="Before; written as --since.")]
_OPTIONS: dict[str, Any] = {
    "queue": Annotated[str | None, typer.Option(help="Work queue or dead queue; a pattern: 'extras.\\*'.")],
    "kind": Annotated[str | None, typer.Option(help="Kind of message; a pattern: '\\*refund\\*'.")],
    "error": Annotated[str | None, typer.Option(help="Any part of the error's type or text.")],
    "order": Annotated[str | None, typer.Option(help="The order it is about.")],
    "correlation": Annotated[str | None, typer.Option(help="The guest action it belongs to.")],
    "since": Since,
    "until": Until,
}
_TIMES = ("since", "until")


def takes_filter(*, without: Collection[str] = ()) -> Callable[[Callable[..., ResultT]], Callable[..., ResultT]]:
    """Replace a command's parameter `wanted: Filter` by one option per field of a filter.

    `without`: fields that make no sense for this command, and have no option. A time that cannot be read ends the
    command with a sentence.
    """
    names = [name for name in _OPTIONS if name not in without]

    def decorate(command: Callable[..., ResultT]) -> Callable[..., ResultT]:
        @functools.wraps(command)
        def filtered(**given: Any) -> ResultT:
            fields = {name: given.pop(name) for name in names}
            times = {name: moment_of(fields[name], f"--{name}") for name in _TIMES if name in fields}
            return command(wanted=Filter(**{**fields, **times}), **given)

        signature = inspect.signature(command)
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_OPTIONS[name])
            for name in names
        ]
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += options if parameter.name == "wanted" else [keyword]
        filtered.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        filtered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return filtered

    return decorate


def moment_of(text: str | None, option: str) -> datetime | None:
    """The time that an option names; ends the command with a sentence for one that cannot be read."""
    try:
        return timespec.parse(text, utc_now()) if text else None
    except ValueError as unreadable:
        raise typer.BadParameter(str(unreadable), param_hint=option) from None
