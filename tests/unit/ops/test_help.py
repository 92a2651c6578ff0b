"""What every command says of itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ops.cli.main import app
from ops.core.authorization import TOKEN
from ops.core.target import ADDRESSES, DETAILS
from tests.support.local_stack import running_stack

NOT_FOR_PROGRAMS = {"up", "demo", "token", "seal-key", "broker", "store", "guest export", "webhooks export"}
"""They run something, or print what programs read as it is."""


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


@pytest.mark.parametrize("option", ["queue", "kind", "error", "order", "correlation", "since", "until"])
def test_an_option_that_filters_messages_says_the_same_in_each_command(option: str) -> None:
    said = {
        parameter.help
        for name, command in COMMANDS.items()
        if name.startswith(("dead", "log"))
        for parameter in command.params
        if parameter.name == option and (name, option) != ("dead edit", "kind")
    }

    assert len(said) == 1


def test_a_pattern_in_the_help_is_shown_with_its_asterisks() -> None:
    said = CliRunner().invoke(app, ["dead", "list", "--help"], env={"COLUMNS": "160"}).output

    assert "'*refund*'" in said
    assert "'extras.*'" in said


def test_a_time_that_cannot_be_read_is_said_with_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ADDRESSES, *DETAILS, TOKEN):
        monkeypatch.delenv(name, raising=False)

    with running_stack(tmp_path):
        words = ["log", "find", "--until", "soon", "--data-dir", str(tmp_path)]
        ran = CliRunner().invoke(app, words, env={"COLUMNS": "160"})

    assert ran.exit_code == 2
    assert "--until" in ran.output
    assert "'soon'" in ran.output
