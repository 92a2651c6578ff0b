"""No query of an operator's command reads a whole collection, except those that list one."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local.store import Store as Server
from tests.support.desk import cancel
from tests.support.guest import body
from tests.support.operator import Operator
from tests.support.recorded_commands import Recorder, queries, recording, scans
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
    with recording() as recorder:
        yield recorder


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

    asked = queries(sent, system.setup.database, besides=LISTED)
    with MongoClient[dict[str, Any]](store.url, tz_aware=True) as client:
        database = client[system.setup.database]
        scanning = [command for command in asked if scans(database, command)]
    assert scanning == []
    collections = {next(iter(command.values())) for command in asked}
    assert collections >= {"audit_log", "dead_letters", "orders", "payments"}
