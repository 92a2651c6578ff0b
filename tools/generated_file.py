"""The command of files that are generated from the code and stored in the repository."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]


def generated_file_command(file: Path, text: Callable[[], str], module: str) -> None:
    """Run the command of one generated file: `python -m {module} [--write | --check]`."""
    name = file.relative_to(ROOT).as_posix()

    def main(
        write: Annotated[bool, typer.Option("--write", help=f"Write {name}.")] = False,
        check: Annotated[bool, typer.Option("--check", help="Exit with 1 when it is not current.")] = False,
    ) -> None:
        if write:
            file.write_text(text(), encoding="utf-8")
        elif not check:
            sys.stdout.write(text())
        elif not file.exists() or file.read_text(encoding="utf-8") != text():
            sys.stderr.write(
                f"{name} differs from the code: run `python -m {module} --write`, read what changed, and commit it.\n"
            )
            raise typer.Exit(1)

    main.__doc__ = f"Print {name} as generated from the code, write it, or check it."
    typer.run(main)
