"""`bellhop doctor`: examines an installation before it is used, or when something is odd."""

import asyncio
import os
from dataclasses import asdict

import typer
from rich.text import Text

from chassis.web.tokens import OperatorRole
from deploy.local.system_env import DATA_DIR
from ops.cli.console import AsJson, DataDir, console, explain_unreachable, needs, print_json, table_of
from ops.core.doctor import examine
from ops.core.target import Target


@needs(OperatorRole.READER)
def doctor(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Examine an installation: broker, topology, accounts, store, indexes, PSP, keys, clocks and disk. Changes nothing.

    Each part is examined although another one does not answer. The account, the webhook's address and the page's key
    are compared at the PSP where BELLHOP_STRIPE_ACCOUNT, BELLHOP_WEBHOOK_URL and BELLHOP_STRIPE_PUBLISHABLE_KEY are
    set. Bindings, accounts and nodes need the broker's management API.

    Example: `bellhop doctor`

    Exit code 0 if nothing must be mended, 1 if something must, 2 if no system is named.
    """
    with explain_unreachable(), console.status("examining the installation"):
        findings = asyncio.run(examine(Target.from_environment(data_dir), os.environ))
    wrong = sum(not finding.is_right for finding in findings)
    if as_json:
        print_json([asdict(finding) | {"is_right": finding.is_right} for finding in findings])
    else:
        rows = (
            ("ok" if each.is_right else Text("MEND", "bold"), each.part, each.what, each.found, each.advice)
            for each in findings
        )
        console.print(table_of(("", "part", "what", "found", "to mend"), rows))
        console.print(f"{wrong} of {len(findings)} must be mended." if wrong else "Nothing must be mended.")
    if wrong:
        raise typer.Exit(1)
