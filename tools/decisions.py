"""`python -m tools.decisions --write`: the index of decision records, by number; `--check`: is it current?"""

import re
from collections.abc import Iterator
from pathlib import Path

from tools.generated_file import ROOT, generated_file_command

FOLDER = ROOT / "docs" / "decisions"
FILE = FOLDER / "README.md"

_RECORD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"Accepted on (?P<date>\d{4}-\d{2}-\d{2})\.(?:\s+(?P<replaced>Replaced(?: in part)? by\s+\[[^]]+\]\([^)]+\)))?"
)
_INTRODUCTION = """# Decisions

Choices that would surprise a reader: what made them necessary, what was chosen, what follows. Written by
`python -m tools.decisions --write` from the first lines of each record; `make check` fails when it is stale.

A record is a file `NNNN-its-point.md` that begins with `# N. Its point` and, in a separate paragraph,
`Accepted on YYYY-MM-DD.` A record is not rewritten when another one replaces it: that paragraph goes on with
`Replaced by [decision N](file.md)`, or `Replaced in part by`.

| no. | decision | accepted | status |
|---|---|---|---|
"""


class RecordError(ValueError):
    """A record lacks the heading or date that the index needs."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"docs/decisions/{file} must begin with `# N. Title`, N being the number in its name, and then, in a "
            "separate paragraph, `Accepted on YYYY-MM-DD.`"
        )


def page(folder: Path = FOLDER) -> str:
    """The index of the records in `folder`. Raises RecordError."""
    return f"{_INTRODUCTION}{''.join(_rows(folder))}"


def _rows(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("[0-9]*.md")):
        record = _RECORD.match(file.read_text(encoding="utf-8"))
        if record is None or file.name[:4] != record["number"].zfill(4):
            raise RecordError(file.name)
        replaced = " ".join(record["replaced"].split()) if record["replaced"] else "accepted"
        status = replaced[0].lower() + replaced[1:]
        yield f"| {record['number']} | [{record['title']}]({file.name}) | {record['date']} | {status} |\n"


if __name__ == "__main__":
    generated_file_command(FILE, page, "tools.decisions")
