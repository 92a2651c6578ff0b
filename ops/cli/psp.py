"""`bellhop psp`: checks the configuration at the PSP."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, table_of
from ops.core.target import Target
from psp_adapter.configuration import Comparison, Wanted, compare_all

NAME = "psp"
app = typer.Typer(no_args_is_help=True, help="What is set at the PSP.")


@app.callback()
def psp() -> None:
    """What is set at the PSP."""


@app.command()
@needs(OperatorRole.READER)
def check(
    account: Annotated[
        str | None, typer.Option(envvar="BELLHOP_STRIPE_ACCOUNT", help="The account the key must be of: acct_….")
    ] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            envvar="BELLHOP_WEBHOOK_URL",
            help="Where the PSP must send events; without it, any endpoint whose path is /webhooks/stripe is compared.",
        ),
    ] = None,
    publishable_key: Annotated[
        str | None,
        typer.Option(envvar="BELLHOP_STRIPE_PUBLISHABLE_KEY", help="The page's key: its mode must be the same."),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="A domain of the guest's page, which wallets need to be registered; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare account, mode, webhook endpoint, payment method domains and the key's rights with what is needed.

    Changes nothing, at the PSP or here. A webhook secret cannot be read back, so it is not compared.

    Examples:

    `bellhop psp check`

    `bellhop psp check --webhook-url https://pay.example.com/webhooks/stripe --domain book.example.com`

    Exit code 0 if everything is as needed, 1 if something must be corrected, 2 if the PSP is unavailable.
    """
    with explain_unreachable(), console.status("reading the configuration at the PSP"):
        target = Target.from_environment(data_dir)
        webhook_url = webhook_url or target.webhook_url
        wanted = Wanted(target.stripe_api_key, account, webhook_url, publishable_key, tuple(domain or ()))
        compared = asyncio.run(_compare(target, wanted))
    if as_json:
        print_json([asdict(comparison) | {"is_right": comparison.is_right} for comparison in compared])
    else:
        _show(compared)
    if not all(comparison.is_right for comparison in compared):
        raise typer.Exit(1)


async def _compare(target: Target, wanted: Wanted) -> list[Comparison]:
    accounts = target.psp()
    try:
        return await compare_all(accounts, wanted)
    finally:
        await accounts.close()


def _show(compared: list[Comparison]) -> None:
    rows = (
        ("ok" if comparison.is_right else Text("MEND", "bold"), comparison.what, comparison.found, comparison.advice)
        for comparison in compared
    )
    console.print(table_of(("", "what", "found", "to mend"), rows))
