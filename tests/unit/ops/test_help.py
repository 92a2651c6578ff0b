"""What every command says of itself."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from ops.cli.main import app

NOT_FOR_PROGRAMS = {"up", "demo", "token", "seal-key", "broker"}
"""They run something, or print one value as it is."""


def commands(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(found, "commands"):
        for name, inner in found.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), found


COMMANDS = dict(commands(typer.main.get_command(app)))
each = pytest.mark.parametrize("name", COMMANDS)


@each
def test_its_help_shows_an_example(name: str) -> None:
    assert f"bellhop {name}" in (COMMANDS[name].help or "").partition("Example")[2]


@each
def test_programs_can_read_what_it_prints(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}

    assert ("--json" in options) == (name not in NOT_FOR_PROGRAMS)


@each
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [parameter for parameter in COMMANDS[name].params if parameter.param_type_name == "option"]
    unexplained = [option.name for option in options if not option.help]

    assert unexplained == []
