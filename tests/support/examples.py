"""The stored samples of every message: what senders of this contract have put on the wire, kept for ever."""

import json
from pathlib import Path
from typing import Any

import contracts.topology  # noqa: F401  with it every message is defined
from contracts.message import Message, parse

FOLDER = Path(__file__).parents[1] / "contracts" / "samples"
FILES = sorted(FOLDER.glob("*.json"))
OF_CONTRACTS = {
    kind: it
    for kind, it in Message.kinds.items()
    if it.__module__.startswith("contracts.") and it.__module__ != "contracts.log"
}
"""The messages of the bus by kind, without what a test may have defined, and the message log's entries about itself."""


def kind_of(file: Path) -> str:
    """A file is named after its kind; a second sample of one kind has a word of its own before: `old~<kind>.json`."""
    return file.stem.rpartition("~")[2]


def raw(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return values


def sample(kind: str) -> Message:
    """The stored sample of a kind, parsed."""
    return parse(kind, (FOLDER / f"{kind}.json").read_bytes())


def samples() -> list[Message]:
    """Every stored sample, parsed."""
    return [parse(kind_of(file), file.read_bytes()) for file in FILES]
