"""Compares every command of a system's services to the store with the rights of their users there.

The embedded store checks a role's actions, and not the collections they are for. So the commands themselves are
compared, by what MongoDB demands for each (https://www.mongodb.com/docs/manual/reference/privilege-actions/): in every
test that runs a system in this process.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

import chassis.storage.store
from deploy.store_accounts import STORE_ACCOUNTS

RIGHTS = {account.name: account.collections for account in STORE_ACCOUNTS if not account.is_operator}

_FREE = frozenset({"hello", "ping", "buildInfo", "endSessions", "saslStart", "saslContinue", "killCursors"})
"""What every user may send; cursors are its own."""
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "find": ("find",),
    "getMore": ("find",),
    "count": ("find",),
    "distinct": ("find",),
    "aggregate": ("find",),
    "insert": ("insert",),
    "update": ("update",),
    "delete": ("remove",),
    "createIndexes": ("createIndex", "createCollection"),
    "dropIndexes": ("dropIndex",),
    "listIndexes": ("listIndexes",),
}
_OTHER_COLLECTIONS = frozenset({"$lookup", "$unionWith", "$graphLookup", "$out", "$merge"})

broken: list[str] = []
"""What a service has sent without having the right to, since the process began."""


def lacking(service: str, command: Mapping[str, Any]) -> Iterable[str]:
    """The rights that a service lacks for a command, each as `action on collection`."""
    name, value = next(iter(command.items()))
    if name in _FREE:
        return
    if name not in _ACTIONS:
        yield name
        return
    actions = list(_ACTIONS[name])
    if name == "update" and any(each.get("upsert") for each in command.get("updates", ())):
        actions.append("insert")
    if any(stage.keys() & _OTHER_COLLECTIONS for stage in command.get("pipeline", ())):
        actions.append("another collection in a pipeline")
    collection = command["collection"] if name == "getMore" else value
    granted = RIGHTS[service].get(collection, ())
    yield from (f"{action} on {collection}" for action in actions if action not in granted)


def taken() -> list[str]:
    """What is in `broken`, and no longer."""
    found = broken.copy()
    broken.clear()
    return found


class _Listener(CommandListener):
    def __init__(self, service: str) -> None:
        self.service = service

    def started(self, event: CommandStartedEvent) -> None:
        broken.extend(f"{self.service}: {each}" for each in lacking(self.service, event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to do."""


def _watched(*args: Any, **options: Any) -> Any:
    listeners = [_Listener(options["appname"])] if options["appname"] in RIGHTS else []
    return AsyncIOMotorClient(*args, **options, event_listeners=listeners)


def watch() -> None:
    """From now on, compare what the services of this process send. What a test has sent in their names is forgotten."""
    broken.clear()
    setattr(chassis.storage.store, "AsyncIOMotorClient", _watched)  # noqa: B010 - mypy: it is not exported
