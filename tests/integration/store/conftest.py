"""The chassis's store on a real server, with the commands it sends recorded."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent, register

from deploy.local.store import Store


class Recorder(CommandListener):
    """Keeps the commands that clients of this process send to one database."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.database_name == self.database:
            self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to keep."""

    def named(self, *names: str) -> list[dict[str, Any]]:
        return [command for command in self.commands if next(iter(command)) in names]


_RECORDER = Recorder()
register(_RECORDER)  # for clients made later; PyMongo has no way to take it back


@pytest.fixture
def database(store: Store) -> Iterator[Database[dict[str, Any]]]:
    """A database of the test's own, seen by a client beside the chassis."""
    with MongoClient[dict[str, Any]](store.url, tz_aware=True) as client:
        name = f"store_{uuid.uuid4().hex[:12]}"
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def sent(database: Database[dict[str, Any]]) -> Iterator[Recorder]:
    """What is sent to that database from now on."""
    _RECORDER.database, _RECORDER.commands = database.name, []
    yield _RECORDER
    _RECORDER.database = None
