"""The passwords of accounts at broker and store, as an operator names them in the environment."""

import os
from collections.abc import Iterable
from typing import NoReturn

import typer

from chassis.runtime.secret_files import SecretFileError, secret_from
from ops.cli.console import stderr


def password_variable(server: str, account: str) -> str:
    """The variable with an account's password: `RABBITMQ_PSP_ADAPTER_PASSWORD`."""
    return f"{server}_{account.upper().replace('-', '_')}_PASSWORD"


def secret_settings(*names: str) -> dict[str, str]:
    """Those of these variables that are set, each also from a file. Ends the command if a file cannot be read."""
    try:
        given = {name: secret_from(os.environ, name) for name in names}
    except SecretFileError as error:
        end(str(error))
    return {name: value for name, value in given.items() if value}


def passwords_of(server: str, accounts: Iterable[str]) -> dict[str, str]:
    """The passwords that are set, by account. Ends the command if a file cannot be read."""
    variables = {account: password_variable(server, account) for account in accounts}
    given = secret_settings(*variables.values())
    return {account: given[variable] for account, variable in variables.items() if variable in given}


def end(problem: str) -> NoReturn:
    """End the command with exit code 2."""
    stderr.print(problem, markup=False, soft_wrap=True)
    raise typer.Exit(2) from None
