"""Users at the document store: one per process that keeps documents, with rights to its own collections and no other.

As at the broker (deploy/accounts.py), an attacker who takes a service over can do what that service does, and nothing
else: no service deletes an order, a payment or a receipt, and none reads another's documents
(docs/decisions/0057-a-store-user-per-service.md). The roles are MongoDB's user-defined ones
(https://www.mongodb.com/docs/manual/core/collection-level-access-control/).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from chassis.errors import PermanentError
from contracts import services

OPERATOR = "operator"
"""The user of the `bellhop` command and the operator's page: it reads and changes every collection."""
APALEO = "apaleo-connector"

KEEPS = ("find", "insert", "update", "createCollection", "createIndex", "dropIndex", "listIndexes", "killCursors")
"""Actions, in MongoDB's words, of a service that never deletes a document."""
DELETES = (*KEEPS, "remove")
"""… of one that deletes documents when their retention ends."""

_EVERY_SERVICE = {"running_settings": KEEPS}


@dataclass(frozen=True, slots=True)
class StoreAccount:
    """A user at the store, and what it may do in each collection; an operator's rights are MongoDB's `readWrite`."""

    name: str
    collections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_operator(self) -> bool:
        return not self.collections

    def privileges(self, database: str) -> list[dict[str, Any]]:
        """The privileges of its role, as MongoDB's `createRole` takes them."""
        return [
            {"resource": {"db": database, "collection": name}, "actions": list(actions)}
            for name, actions in self.collections.items()
        ]

    def roles(self, database: str) -> list[dict[str, str]]:
        """The roles of its user, as MongoDB's `createUser` takes them."""
        return [{"role": "readWrite" if self.is_operator else self.name, "db": database}]


STORE_ACCOUNTS = (
    StoreAccount(OPERATOR),
    StoreAccount(
        services.EXTRAS,
        {
            **dict.fromkeys(("orders", "stock", "properties", "catalogue", "receipts", "receipt_registers"), KEEPS),
            **dict.fromkeys(("erasures", "extras", "audit_log"), KEEPS),
            "pictures": DELETES,
            **_EVERY_SERVICE,
        },
    ),
    StoreAccount(
        services.PAYMENTS,
        {**dict.fromkeys(("payments", "psp_sweeps", "psp_session_holders"), KEEPS), **_EVERY_SERVICE},
    ),
    StoreAccount(services.NOTIFICATIONS, {"guest_contacts": KEEPS, "mails": DELETES, **_EVERY_SERVICE}),
    StoreAccount(services.WEBHOOKS, {"webhook_subscribers": KEEPS, "webhook_feeds": DELETES, **_EVERY_SERVICE}),
    StoreAccount(APALEO, {"apaleo_folios": DELETES}),
)


class StoreAccountsError(PermanentError):
    """The users could not be created; says why."""


def open_store_accounts(url: str, database: str, passwords: Mapping[str, str], *, seconds: float = 10) -> None:
    """Create or update the role and the user of each account that has a password, in the database itself.

    `url` is the address of a user who may create users there. Safe to repeat: passwords and rights are set again, and
    open connections stay open. Raises StoreAccountsError.
    """
    milliseconds = int(seconds * 1000)
    try:
        with MongoClient[dict[str, Any]](
            url, serverSelectionTimeoutMS=milliseconds, socketTimeoutMS=milliseconds, appname=OPERATOR
        ) as client:
            for account in STORE_ACCOUNTS:
                if account.name in passwords:
                    _open(client[database], account, passwords[account.name])
    except OperationFailure as error:  # the text names the command and the user, never a password
        raise StoreAccountsError(f"The store refuses to create users in the database {database}: {error}") from error
    except (ConfigurationError, ValueError) as error:  # its text may hold a part of the password
        raise StoreAccountsError(
            "The administrator's address is not one of a MongoDB "
            "(mongodb://user:password@host:27017/?authSource=admin), or its name does not exist. "
            "Characters of a password with a meaning in addresses are written as %40 and so on."
        ) from error
    except PyMongoError as error:
        said, _, _ = str(error).partition(" (configured timeouts")
        raise StoreAccountsError(f"The store does not answer: {said}.") from error


def _open(database: Database[dict[str, Any]], account: StoreAccount, password: str) -> None:
    if not account.is_operator:
        known = database.command("rolesInfo", account.name)["roles"]
        privileges = account.privileges(database.name)
        database.command("updateRole" if known else "createRole", account.name, privileges=privileges, roles=[])
    known = database.command("usersInfo", account.name)["users"]
    roles = account.roles(database.name)
    database.command("updateUser" if known else "createUser", account.name, pwd=password, roles=roles)
