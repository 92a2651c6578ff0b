"""`bellhop guest`: what is known of a guest, with the services running."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.runtime.metrics import Metrics
from contracts.ids import GuestId, OrderId, PropertyId
from contracts.orders import CancelOrder
from ops.core.guests.export import export
from ops.core.session import OperatorSession
from tests.support.desk import cancel, paid_order
from tests.support.guest import Guest, Json, body
from tests.support.operator import NAME, Operator, target_of

ANNA, HOME = "guest-anna", "alpenhof"


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


@pytest.fixture
def guest(operator: Operator) -> Guest:
    return operator.system.guest()


def cancelling(order_id: str, guest_id: str = ANNA, property_id: str = HOME, reason: str = "") -> CancelOrder:
    return CancelOrder(
        order_id=OrderId(order_id),
        guest_id=GuestId(guest_id),
        property_id=PropertyId(property_id),
        reason=reason,
    )


async def exported(operator: Operator, *words: str, code: int = 0) -> Json:
    answer = await operator.runs("guest", "export", *words, "--why", "asked by letter", code=code)
    document: Json = answer.json
    return document


async def test_all_that_is_known_of_a_guest_is_exported(operator: Operator, guest: Guest) -> None:
    order_id = await paid_order(operator.system, guest)
    await operator.park(
        cancelling(order_id, guest.guest_id, reason="ill"), "orders.cancel-order.v1", "extras.commands", "m-1"
    )
    await operator.park(cancelling("ord_none", guest.guest_id), "orders.cancel-order.v1", "extras.commands", "m-2")
    known = await exported(operator, guest.guest_id, "--property", HOME)

    [order] = known["orders"]
    [payment] = known["payments"]
    assert (order["order_id"], order["guest"]["guest_id"]) == (order_id, guest.guest_id)
    assert payment["order_id"] == order_id
    assert known["held_elsewhere"]["psp"] == [payment["session"]["psp_reference"]]
    assert "sealed" not in str(known)
    assert [receipt["order_id"] for receipt in known["receipts"]] == [order_id]
    assert sorted(letter["body"]["reason"] for letter in known["dead_letters"]) == ["", "ill"]


async def test_the_same_guest_id_at_another_property_is_another_guest(operator: Operator, guest: Guest) -> None:
    await guest.order()
    elsewhere = cancelling("ord_none", guest.guest_id, "kamogawa")
    await operator.park(elsewhere, "orders.cancel-order.v1", "extras.commands", "m-1")

    here = await exported(operator, guest.guest_id, "--property", HOME)
    there = await exported(operator, guest.guest_id, "--property", "kamogawa")

    assert (len(here["orders"]), here["dead_letters"]) == (1, [])
    assert (there["orders"], len(there["dead_letters"])) == ([], 1)


async def test_of_a_guest_who_never_ordered_nothing_is_known(operator: Operator) -> None:
    known = await exported(operator, "guest-unknown", "--property", HOME, code=1)

    assert (known["orders"], known["dead_letters"], known["audit_log"]) == ([], [], [])


async def test_an_export_is_recorded_without_the_guests_name(operator: Operator, guest: Guest, tmp_path: Path) -> None:
    order_id = (await guest.order())["order_id"]
    body(await cancel(guest, order_id), 200)
    file = tmp_path / "anna.json"

    await operator.runs("guest", "export", guest.guest_id, "--property", HOME, "--out", str(file), "--why", "a letter")

    [entry] = [each for each in await operator.json("audit-log") if each["action"] == "export guest"]
    assert (entry["who"], entry["why"], entry["subjects"]) == (NAME, "a letter", [order_id])
    assert guest.guest_id not in str(entry)
    assert order_id in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("hostile", ["$ne", "a.b", "a\0b", "x" * 5000, "a/b", "äöü\ud800"[:3], '{"$gt": ""}'])
async def test_a_guest_id_is_never_more_than_a_name(operator: Operator, guest: Guest, hostile: str) -> None:
    await guest.order()
    target = target_of(operator.system)
    store = target.store(Metrics("tests"))
    async with target.connection() as connection:
        known = await export(OperatorSession(target, store, connection), hostile, HOME, who=NAME, why="a test")
    store.close()

    assert known["orders"] == []
