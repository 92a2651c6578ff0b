"""No query of an operator's command reads a whole collection, except those that list one."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local.store import Store as Server
from tests.support.desk import cancel
from tests.support.guest import body
from tests.support.operator import Operator
from tests.support.recorded_commands import RECORDER, Recorder, scans
from tests.support.system import System

LISTED = {"replay_plans", "extras"}
"""Collections that stay small, and are read whole."""
READING = (
    ("audit",),
    ("audit-log",),
    ("audit-log", "--since", "7d"),
    ("dead", "list"),
    ("dead", "list", "--stage", "any"),
    ("orders",),
    ("orders", "--status", "confirmed"),
    ("orders", "--refunding"),
    ("plans", "list"),
    ("queues",),
    ("review", "list"),
)


@pytest.fixture
def sent() -> Iterator[Recorder]:
    """What is sent to every database from now on."""
    RECORDER.everything, RECORDER.commands = True, []
    yield RECORDER
    RECORDER.everything = False


async def test_what_operators_look_at_is_answered_by_indexes(
    store: Server, sent: Recorder, own_system: Callable[[], Awaitable[System]]
) -> None:
    system = await own_system()
    guest, operator = system.guest(), Operator(system)
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed")
    body(await cancel(guest, order_id), 200)
    await operator.park(b"{}", "orders.place-order.v1", "extras.commands", "m-1")
    await operator.runs("reconcile", "--why", "an entry of the audit log", code=None)
    sent.commands.clear()

    for words in (*READING, ("closing", f"{datetime.now(UTC):%Y-%m-%d}"), ("trace", order_id)):
        assert "Usage:" not in (await operator.runs(*words, code=None)).said

    with MongoClient[dict[str, Any]](store.url, tz_aware=True) as client:
        database = client[system.setup.database]
        scanning = [_form(command) for command in forms_of(sent, system) if scans(database, command)]
    assert scanning == []
    collections = {next(iter(command.values())) for command in forms_of(sent, system)}
    assert collections >= {"audit_log", "dead_letters", "orders", "payments"}


def forms_of(sent: Recorder, system: System) -> list[dict[str, Any]]:
    """The queries of one database, one of each form."""
    forms: dict[str, dict[str, Any]] = {}
    for command in sent.named("find", "aggregate"):
        collection = next(iter(command.values()))
        if command.get("$db") == system.setup.database and collection not in LISTED:
            forms.setdefault(_form(command), command)
    return list(forms.values())


def _form(command: Mapping[str, Any]) -> str:
    asked = command.get("filter", command.get("pipeline", ()))
    return f"{next(iter(command.values()))} {sorted(map(str, asked))}"
