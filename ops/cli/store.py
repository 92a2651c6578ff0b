"""`bellhop store`: prepares a document store for the services, with a user for each."""

import os
from typing import Annotated, Any

import typer

from chassis.runtime.secret_files import SecretFileError, secret_from
from deploy.store_accounts import STORE_ACCOUNTS, StoreAccount, StoreAccountsError, open_store_accounts
from ops.cli.console import console, print_json, stderr


def password_variable(account: str) -> str:
    """The variable with a user's password: `MONGODB_EXTRAS_SERVICE_PASSWORD`."""
    return f"MONGODB_{account.upper().replace('-', '_')}_PASSWORD"


def store(
    show: Annotated[
        bool, typer.Option("--show", help="Print roles and users as JSON, as MongoDB takes them; change nothing.")
    ] = False,
) -> None:
    """Give each process that keeps documents a user of its own at the store, with rights to its own collections.

    Takes the address of a user who may create users from BELLHOP_MONGODB_ADMIN_URL, or from BELLHOP_MONGODB_URL, the
    database from BELLHOP_MONGODB_DATABASE (`bellhop`), and the passwords from MONGODB_OPERATOR_PASSWORD,
    MONGODB_EXTRAS_SERVICE_PASSWORD, MONGODB_PAYMENT_SERVICE_PASSWORD, MONGODB_NOTIFICATIONS_PASSWORD,
    MONGODB_WEBHOOKS_PASSWORD and, where there is a connector, MONGODB_APALEO_CONNECTOR_PASSWORD (each also from a file,
    `…_FILE`). Running it again sets rights and passwords again, and ends no connection. Run it before the services of a
    new version start: a version may have further collections.

    The users are in the database itself: their addresses end in `?authSource=bellhop`.

    Example: `bellhop store`

    Exit code 0 if all is in place; 2 if something is missing, or the store refuses it.
    """
    database = os.environ.get("BELLHOP_MONGODB_DATABASE") or "bellhop"
    if show:
        print_json([_shown(account, database) for account in STORE_ACCOUNTS])
        return
    try:
        url = secret_from(os.environ, "BELLHOP_MONGODB_ADMIN_URL") or secret_from(os.environ, "BELLHOP_MONGODB_URL")
        given = {each.name: secret_from(os.environ, password_variable(each.name)) for each in STORE_ACCOUNTS}
    except SecretFileError as error:
        stderr.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    passwords = {name: password for name, password in given.items() if password}
    absent = [password_variable(name) for name in given if name not in passwords and not name.endswith("-connector")]
    if not url:
        absent.insert(0, "BELLHOP_MONGODB_ADMIN_URL")
    if not url or absent:
        stderr.print(f"Set {', '.join(absent)} first.", soft_wrap=True)
        raise typer.Exit(2)
    try:
        open_store_accounts(url, database, passwords)
    except StoreAccountsError as error:
        stderr.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
    console.print(f"Users in the database {database}: {', '.join(passwords)}.")
    console.print(f"Give each its own login in BELLHOP_MONGODB_URL, with ?authSource={database}.")


def _shown(account: StoreAccount, database: str) -> dict[str, Any]:
    """What MongoDB's `createRole` and `createUser` take; an operator needs no role of its own."""
    role = {"createRole": account.name, "privileges": account.privileges(database), "roles": []}
    user = {"createUser": account.name, "roles": account.roles(database)}
    return user if account.is_operator else role | user
