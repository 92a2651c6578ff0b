"""No query that the services make while they run, or at their start, reads a whole collection."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local.store import Store as Server
from tests.support.guest import body
from tests.support.recorded_commands import Recorder, queries, recording, scans
from tests.support.system import System
from tests.support.waiting import until

WHOLE = {"replay_plans", "audit_log"}
"""Lists that operators read whole."""
ROUNDS = 3


@pytest.fixture
def sent() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


async def test_a_paid_order_its_lists_and_all_sweeps_are_answered_by_indexes(
    store: Server, sent: Recorder, own_system: Callable[[], Awaitable[System]]
) -> None:
    system = await own_system()
    guest = system.guest()
    body(await guest.http.get("/v1/extras"), 200)
    order_id = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed")
    body(await guest.http.get("/v1/orders"), 200)
    await until(lambda: have_swept(sent, system), "every sweep has looked several times")

    asked = queries(sent, system.setup.database, besides=WHOLE)
    with MongoClient[dict[str, Any]](store.url, tz_aware=True) as client:
        database = client[system.setup.database]
        scanning = [command for command in asked if scans(database, command)]

    assert scanning == []
    collections = {next(iter(command.values())) for command in asked}
    assert collections >= {"extras", "orders", "stock", "payments", "psp_sweeps"}


async def have_swept(sent: Recorder, system: System) -> bool:
    swept = [
        (next(iter(command.values())), *command["filter"])
        for command in sent.named("find")
        if command.get("$db") == system.setup.database
    ]
    wanted = [("orders", "due_at"), ("orders", "unsent_since"), ("payments", "due_at"), ("stock", "due_at")]
    return all(swept.count(each) >= ROUNDS for each in wanted)
