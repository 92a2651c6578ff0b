"""The desk's lists on a real store: each is answered by its index, in windows, whatever else is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from chassis.runtime.metrics import Metrics
from chassis.storage.store import Store
from chassis.storage.stored_document import Stored, document_of
from contracts.desk import GetDaySheet, ListPropertyOrders, OrderFilter
from contracts.ids import ExtraId, PropertyId
from contracts.orders import DisputeStage
from deploy.local.store import Store as Server
from extras_service.collections import ExtrasStore
from extras_service.desk_lists import INDEXED, DeskLists
from extras_service.order.disputes import Dispute, as_fields
from extras_service.order.state import Order, guest_key
from tests.support import orders as given
from tests.support.recorded_commands import Recorder, scans

NOW = datetime.now(UTC)
MANY = 600
EVERY = timedelta(minutes=20)
DAYS = 20
ALPENHOF = PropertyId("alpenhof")


def _order(number: int) -> Order:
    """Every third one is cancelled, every other one of a day in turn."""
    order = given.cancelled() if number % 3 == 0 else given.confirmed()
    line = order.lines[0].model_copy(
        update={
            "day": given.FIRST_DAY + timedelta(days=number % DAYS),
            "extra_id": ExtraId("alm-taxi" if number == MANY - 1 else "alm-breakfast"),
        }
    )
    guest = order.guest.model_copy(update={"guest_id": f"guest-{number}", "reservation_id": f"res-{number // 2}"})
    own = {"order_id": f"ord_{number:026}", "created_at": NOW - number * EVERY, "guest": guest, "lines": (line,)}
    return order.model_copy(update=own | {"guest_key": guest_key(guest.guest_id, guest.property_id)})


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ({}, range(MANY)),
        ({"order_id": f"ord_{7:026}"}, [7]),
        ({"status": "cancelled"}, range(0, MANY, 3)),
        ({"day": given.FIRST_DAY}, range(0, MANY, DAYS)),
        ({"extra_id": "alm-taxi"}, [MANY - 1]),
        ({"guest_id": "guest-8"}, [8]),
        ({"reservation_id": "res-4"}, [8, 9]),
        ({"reservation_id": "res-4", "status": "cancelled", "day": given.FIRST_DAY + timedelta(days=9)}, [9]),
        ({"needs_attention": True}, [3]),
        ({"disputed": True}, [4, 400]),
    ],
    ids=str,
)
async def test_every_list_is_answered_by_an_index(
    store: Server, database: Database[dict[str, Any]], sent: Recorder, only: dict[str, Any], expected: range | list[int]
) -> None:
    connected = Store(store.url, database.name, Metrics("test"), timeout=30)
    try:
        extras = ExtrasStore(connected)
        await extras.prepare()
        orders = [_order(number) for number in range(MANY)]
        orders[3] = orders[3].model_copy(update={"status": given.needs_review().status})
        for number, dispute in ((4, "du_1"), (400, "du_2")):
            in_dispute = as_fields((Dispute(dispute_id=dispute, stage=DisputeStage.INQUIRY),))
            orders[number] = orders[number].model_copy(update=in_dispute)
        stored = (Stored(o.order_id, 1, o, attention_since=NOW if o.needs_attention else None) for o in orders)
        database.orders.insert_many([document_of(each, NOW, None) for each in stored])
        if "status" in only:
            expected = [number for number in expected if number != 3]

        lists, found, after, pages = DeskLists(extras.orders), list[str](), None, 0
        while pages == 0 or after is not None:
            query = ListPropertyOrders(property_id=ALPENHOF, only=OrderFilter(**only), after=after, limit=100)
            page = await lists.page(query)
            assert not hasattr(page, "reason")
            found += [order.order_id for order in page.orders]
            after, pages = page.next, pages + 1
    finally:
        connected.close()

    assert found == [f"ord_{number:026}" for number in expected]
    asked = sent.named("find")
    assert asked
    assert [command for command in asked if scans(database, command)] == []


ANY_DAY = (49, 50)
"""Orders with a line without a day: one as an earlier version has stored it, one that lists its days."""


def _due(number: int) -> Order:
    order = _order(number)
    any_day = order.lines[0].model_copy(update={"day": None})
    return order.model_copy(update={"lines": (any_day,)}) if number in ANY_DAY else order


async def test_the_day_sheet_is_answered_by_its_index(
    store: Server, database: Database[dict[str, Any]], sent: Recorder
) -> None:
    connected = Store(store.url, database.name, Metrics("test"), timeout=30)
    try:
        extras = ExtrasStore(connected)
        await extras.prepare()
        database.orders.insert_many(
            [document_of(Stored(order.order_id, 1, order), NOW, None) for order in map(_due, range(100))]
        )
        database.orders.update_one({"_id": f"ord_{ANY_DAY[0]:026}"}, {"$unset": {"state.awaited_on": ""}})

        sheet = await DeskLists(extras.orders).sheet(GetDaySheet(property_id=ALPENHOF, day=given.FIRST_DAY))
    finally:
        connected.close()

    # Of the numbers 0, 20, 40, 60 and 80 those that no three divides: the others are cancelled.
    assert [line.order_id for extra in sheet.extras for line in extra.lines] == [
        f"ord_{number:026}" for number in (20, 40, 80)
    ]
    assert {line.order_id for extra in sheet.any_day for line in extra.lines} == {f"ord_{each:026}" for each in ANY_DAY}
    assert [command for command in sent.named("find") if scans(database, command)] == []


async def test_the_indexes_are_those_that_the_documents_name(store: Server, database: Database[dict[str, Any]]) -> None:
    connected = Store(store.url, database.name, Metrics("test"), timeout=30)
    try:
        await ExtrasStore(connected).prepare()
    finally:
        connected.close()

    fields = [[f"state.{name}" for name in names.split("+")] for names in INDEXED]
    names = {"_".join(f"{name}_1" for name in each) + "_state.created_at_-1" for each in fields}
    assert names <= set(database.orders.index_information())
