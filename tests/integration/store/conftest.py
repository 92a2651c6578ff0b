"""The chassis's store on a real server, with the commands it sends recorded."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from deploy.local.store import Store
from tests.support.recorded_commands import RECORDER, Recorder


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
    RECORDER.database, RECORDER.commands = database.name, []
    yield RECORDER
    RECORDER.database = None
