"""Every `bellhop …` in documents, alarms, dashboards and errors is a command that exists, with options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ops.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
ROOMS = ("chassis", "connectors", "deploy", "extras_service", "gateway", "notifications", "ops", "payment_service",
         "psp_adapter", "webhooks")  # fmt: skip
ADVISING = sorted(
    file for room in ROOMS for suffix in ("py", "yaml", "json", "js") for file in (ROOT / room).rglob(f"*.{suffix}")
)
BELLHOP = typer.main.get_command(app)

_INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )*bellhop [^`]*)`")
_FENCE = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def test_the_documents_name_commands() -> None:
    assert sum(1 for page in PAGES for _ in _commands(page)) > 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    unknown = [(line, found) for line in _commands(page) if (found := _unknown(line))]

    assert unknown == []


def test_whatever_advises_a_command_names_one_that_exists() -> None:
    advised = [(file, call) for file in ADVISING for call in _INLINE.findall(file.read_text(encoding="utf-8"))]
    unknown = [(str(file.relative_to(ROOT)), call) for file, call in advised if _unknown(_call(call.strip("\\")))]

    assert unknown == []
    assert len(advised) > 100


def _commands(page: Path) -> Iterator[str]:
    """What follows `bellhop`, for each time that it is called."""
    text = page.read_text()
    blocks = "\n".join(_FENCE.findall(text)).replace("\\\n", " ")
    lines = [
        line for line in blocks.splitlines() if re.match(r"^(?:\S* *\$ *)?(?:[A-Z_]+=\S* )*bellhop ", line.strip())
    ]
    for call in (*_INLINE.findall(_FENCE.sub("", text)), *lines):
        yield _call(call)


def _call(line: str) -> str:
    return line.partition("bellhop ")[2].partition(" #")[0].split(" > ")[0].split(" | ")[0]


def _unknown(line: str) -> str | None:
    """The first word of a call that does not exist."""
    command: Any = BELLHOP
    for word in shlex.split(line.replace("…", "")):
        commands = getattr(command, "commands", None)
        if word.startswith("--"):
            options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            if word.partition("=")[0] not in {*options, "--help"}:
                return word
        elif commands is not None:
            alternatives = word.split("|")
            if any(each not in commands for each in alternatives):
                return word
            command = commands[alternatives[0]]
    return None
