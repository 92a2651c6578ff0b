"""`bellhop token`: tokens that the local stack accepts."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from chassis.web.receipt_emails import is_plausible
from deploy.local.credentials import Credentials
from deploy.local.system_env import DATA_DIR
from ops.cli.console import DataDir, stderr


class Role(StrEnum):
    GUEST = "guest"
    RECEPTION = "reception"
    MANAGER = "manager"
    OWNER = "owner"
    STAFF = "staff"  # deprecated: a manager
    READER = "reader"
    REPLAYER = "replayer"
    EDITOR = "editor"
    OPERATOR = "operator"  # deprecated: an editor


def token(
    guest: Annotated[str, typer.Option(help="Who it is for: the token's subject.")] = "guest-1",
    property_id: Annotated[str, typer.Option("--property", help="The property.")] = "alpenhof",
    reservation: Annotated[str, typer.Option(help="The reservation.")] = "R-1001",
    stay_from: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; today.")] = None,
    stay_to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; a week later.")] = None,
    role: Annotated[
        Role,
        typer.Option(
            help="Guests order. Reception fulfils, a manager also cancels and refunds, an owner also changes catalogue "
            "and property. Readers, replayers and editors run the system."
        ),
    ] = Role.GUEST,
    email: Annotated[
        str, typer.Option(help="The guest's address: for the PSP's receipt, and for e-mail about orders.")
    ] = "",
    hours: Annotated[float, typer.Option(min=0, help="How long it is valid.")] = 12,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print a signed token that the local stack's gateway accepts.

    Examples: for the desk `bellhop token --role manager --guest lena --hours 1`; for the operator's page
    `bellhop token --role reader`
    """
    file = data_dir / "secrets.json"
    if not file.exists():
        stderr.print(f"{file} does not exist yet: it is made when the stack first starts (bellhop up).")
        raise typer.Exit(1)
    first = stay_from.date() if stay_from else today()
    last = stay_to.date() if stay_to else first + timedelta(days=7)
    if last < first:
        raise typer.BadParameter(f"{last} is before {first}", param_hint="--stay-to")
    if email and not is_plausible(email):
        raise typer.BadParameter("must be one address, such as anna@example.org", param_hint="--email")
    signed = Credentials.kept_in(file).mint_token(
        guest, property_id, reservation, first, last, role=role, ttl=timedelta(hours=hours), email=email
    )
    typer.echo(signed)


def today() -> date:
    return datetime.now(UTC).date()
