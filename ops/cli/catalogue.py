"""`bellhop catalogue`: compares, imports and exports the catalogue file."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from extras_service.catalogue.file import CatalogueError, CatalogueFile, read_file
from ops.cli.console import (
    AsJson,
    DataDir,
    OnBehalfOf,
    Yes,
    acting_as,
    confirm,
    console,
    given_reason,
    needs,
    print_json,
    stderr,
    table_of,
    with_session,
)
from ops.core.catalogue_file import Comparison, Difference, NotImportedError, NotPicturesError, carry_out, exported

NAME = "catalogue"
app = typer.Typer(no_args_is_help=True, help="Compare, import and export the catalogue as a file.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A catalogue file: docs/catalogue.md.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Take the file's also where staff have changed or retired an extra.")
]


@app.command()
@needs(OperatorRole.READER)
def diff(
    file: FileArgument, overwrite: Overwrite = False, as_json: AsJson = False, data_dir: DataDir = DATA_DIR
) -> None:
    """Show what an import of the file would do. Nothing is sent.

    Example: `bellhop catalogue diff catalogue.yaml`

    Exit code 0 if an import would do nothing, 1 if it would, 2 if the file has mistakes or the system is unavailable.
    """
    read, comparison = _read(file), Comparison(acting_as(), "", overwrite)
    differences = with_session(data_dir, lambda desk: comparison.of(read, desk.store))
    _show(differences, as_json=as_json)
    raise typer.Exit(1 if any(each.command for each in differences) else 0)


@app.command("import")
@needs(OperatorRole.EDITOR)
def import_file(
    file: FileArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, kept with the versions and in the audit log.")],
    overwrite: Overwrite = False,
    who: OnBehalfOf = None,
    yes: Yes = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add and change what the file says; first shows what that is, and asks.

    What staff have changed or retired since the last import is left and named. Extras that the file does not have stay.

    Example: `bellhop catalogue import catalogue.yaml --why "winter prices"`

    Exit code 0 if it is done, 1 if some of it was sent and is not done, 2 if nothing was sent, 3 without confirmation.
    """
    reason = given_reason(why)
    read, comparison = _read(file), Comparison(acting_as(who), reason, overwrite)
    differences = with_session(data_dir, lambda desk: comparison.of(read, desk.store))
    _show(differences, as_json=as_json)
    if not any(each.command for each in differences):
        return
    if not confirm("Import it so?", yes=yes):
        raise typer.Exit(3)
    try:
        done = with_session(data_dir, lambda desk: carry_out(desk.target, desk.store, differences, comparison))
    except NotImportedError as unknown:
        stderr.print(str(unknown), markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except NotPicturesError as refused:
        stderr.print(str(refused), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    if not as_json:
        console.print(f"[green]✓[/] {done} imported.")


@app.command("export")
@needs(OperatorRole.READER)
def export(
    property_id: Annotated[str | None, typer.Option("--property", help="Only this property.")] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write it there, and the pictures to pictures/ beside it."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print or write the catalogue as a file that can be imported, also as JSON, without retired extras.

    A printed file names pictures by their ids, which only this system knows.

    Example: `bellhop catalogue export --property alpenhof --to catalogue.yaml`
    """
    file = with_session(data_dir, lambda desk: exported(desk.store, property_id, to.parent if to else None))
    if to is not None:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(file, encoding="utf-8")
    elif as_json:
        print_json(yaml.safe_load(file))
    else:
        typer.echo(file, nl=False)


def _read(file: Path) -> CatalogueFile:
    try:
        return read_file(file)
    except CatalogueError as error:
        stderr.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _show(differences: tuple[Difference, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {"name": each.name, "step": each.step, "fields": each.fields, "upload": _upload(each)}
                for each in differences
            ]
        )
    elif differences:
        rows = [(each.name, each.step.value, ", ".join(each.fields), _upload(each)) for each in differences]
        head = ("property or extra", "import", "fields", "uploads")
        console.print(table_of(head, rows, whole=("property or extra",)))
        if any(each.command is None for each in differences):
            console.print("leave: changed or retired by staff since the last import; --overwrite takes the file's.")
    else:
        console.print("[green]✓[/] The catalogue is as the file says.")


def _upload(difference: Difference) -> str:
    return str(difference.upload) if difference.upload and difference.command else ""
