"""`bellhop store`: prepares a document store for the services, with a user for each."""

import os
from typing import Annotated, Any

import typer

from deploy.store_accounts import APALEO, STORE_ACCOUNTS, StoreAccount, StoreAccountsError, open_store_accounts
from ops.cli.account_passwords import end, password_variable, passwords_of, secret_settings
from ops.cli.console import console, print_json

SERVER = "MONGODB"
"""How the variables with passwords begin."""


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
    addresses = secret_settings("BELLHOP_MONGODB_ADMIN_URL", "BELLHOP_MONGODB_URL")
    url = next(iter(addresses.values()), "")
    passwords = passwords_of(SERVER, (each.name for each in STORE_ACCOUNTS))
    needed = (each.name for each in STORE_ACCOUNTS if each.name != APALEO)
    absent = [password_variable(SERVER, name) for name in needed if name not in passwords]
    if not url:
        absent.insert(0, "BELLHOP_MONGODB_ADMIN_URL")
    if absent:
        end(f"Set {', '.join(absent)} first.")
    try:
        open_store_accounts(url, database, passwords)
    except StoreAccountsError as error:
        end(str(error))
    console.print(f"Users in the database {database}: {', '.join(passwords)}.")
    console.print(f"Give each its own login in BELLHOP_MONGODB_URL, with ?authSource={database}.")


def _shown(account: StoreAccount, database: str) -> dict[str, Any]:
    """What MongoDB's `createRole` and `createUser` take; an operator needs no role of its own."""
    role = {"createRole": account.name, "privileges": account.privileges(database), "roles": []}
    user = {"createUser": account.name, "roles": account.roles(database)}
    return user if account.is_operator else role | user
