"""`python -m tools.check_files --check`: the repository holds texts of a readable size, and no dumps or binaries."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1024 * 1024
"""Bytes of one file; the largest, the API's description, has less than half of it."""


def kept(root: Path) -> list[Path]:
    """What git tracks, and what it would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    names = (name for name in listed.stdout.decode(errors="surrogateescape").split("\0") if name)
    return [root / name for name in names]


def problems(files: Iterable[Path]) -> Iterator[str]:
    """One sentence for each file that does not belong into the repository."""
    for file in files:
        if file.is_symlink() or not file.is_file():
            continue
        size = file.stat().st_size
        if size > LARGEST:
            yield f"{file} has {size:,} bytes; at most {LARGEST:,} belong into the repository"
        elif b"\0" in file.read_bytes():
            yield f"{file} is not a text: it has a NUL byte"


def main(check: Annotated[bool, typer.Option("--check", help="Check, and change nothing.")] = False) -> None:
    """Check the files that git tracks or would add. Example: python -m tools.check_files --check"""
    if not check:
        raise typer.BadParameter("pass --check; nothing is ever changed", param_hint="--check")
    found = list(problems(kept(ROOT)))
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if found:
        sys.stderr.write("Remove it, or name it in .gitignore.\n")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
