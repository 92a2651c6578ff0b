"""`bellhop guest`: what is known of a guest, and its erasure, with the services running."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.runtime.metrics import Metrics
from contracts.ids import GuestId, OrderId, PropertyId, ReservationId
from contracts.orders import CancelOrder, PlaceOrder, RequestedLine
from contracts.orders import Guest as OrderGuest
from ops.core.guests.export import export
from ops.core.session import OperatorSession
from tests.support.desk import Desk, cancel, is_clean, paid_order
from tests.support.guest import BREAKFAST, STAY_FROM, STAY_TO, Guest, Json, body
from tests.support.operator import NAME, Operator, target_of
from tests.support.waiting import until

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


# Erasure

WHY = ("--why", "asked by letter")


async def erased(operator: Operator, guest: Guest, *words: str, code: int = 0) -> Json:
    document: Json = await operator.json(
        "guest", "erase", guest.guest_id, "--property", guest.property_id, *WHY, "--yes", *words, code=code
    )
    return document


def stored_text(operator: Operator) -> str:
    """Everything in the store."""
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url, tz_aware=True) as client:
        database = client[operator.system.setup.database]
        return "\n".join(str(raw) for name in database.list_collection_names() for raw in database[name].find())


async def forgotten(operator: Operator, name: str) -> None:
    """Payments, places and outboxes follow by messages."""
    await until(lambda: asyncio.to_thread(lambda: name not in stored_text(operator)), f"{name} is nowhere in the store")


async def fulfilled_order(operator: Operator, guest: Guest) -> str:
    order_id = await paid_order(operator.system, guest)
    body(await Desk.of(operator.system).fulfil(order_id), 200)
    return order_id


async def correct_a_letter(operator: Operator, guest: Guest, order_id: str, *why: str) -> None:
    """A guest's command is dead-lettered, and an operator edits what the guest typed."""
    command = cancelling(order_id, guest.guest_id, reason="ill at home")
    await operator.park(command, "orders.cancel-order.v1", "extras.commands", "m-1")
    [letter] = await operator.json("dead", "list", code=1)
    await operator.runs("dead", "edit", letter["letter_id"], "--set", "reason=ill", *(why or WHY))


async def test_a_guest_is_erased_everywhere_and_the_books_stay(operator: Operator, guest: Guest) -> None:
    order_id = await fulfilled_order(operator, guest)
    await operator.park(
        cancelling(order_id, guest.guest_id, reason="ill at home"), "orders.cancel-order.v1", "extras.commands", "m-1"
    )
    await operator.runs("dead", "replay", *WHY, code=None)  # asks, and is not answered: the plan stays
    listed = await operator.json("dead", "list", code=1)
    await operator.runs("dead", "edit", listed[0]["letter_id"], "--set", "reason=ill", *WHY)

    report = await erased(operator, guest)

    assert (report["erased"], report["left"], report["unanswered"]) == ([order_id], [], [])
    await forgotten(operator, guest.guest_id)
    assert "res_test" not in stored_text(operator)
    assert "ill at home" not in stored_text(operator)
    seen = await Desk.of(operator.system).sees(order_id)
    assert (seen["guest_id"], seen["status"], seen["total"]["amount"]) == (report["pseudonym"], "fulfilled", 4800)
    assert (await guest.look(order_id)).status_code == 404
    assert body(await guest.http.get("/v1/orders"), 200)["orders"] == []
    assert (await guest.http.get(f"/v1/orders/{order_id}/receipt")).status_code == 404
    assert await operator.json("dead", "list") == []
    await is_clean(operator.system)
    await operator.runs("trace", order_id)
    known = await exported(operator, guest.guest_id, "--property", HOME, code=1)
    assert (known["orders"], known["audit_log"]) == ([], [])
    again = await guest.order()
    assert again["guest_id"] == guest.guest_id


async def test_an_open_order_is_named_and_erased_once_it_is_final(operator: Operator, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    shown = await operator.runs("guest", "erase", guest.guest_id, "--property", HOME, *WHY, code=3)
    report = await erased(operator, guest)
    still = await guest.see(order_id)
    body(await cancel(guest, order_id), 200)

    assert f"{order_id}: forgets the guest later, because it is pending_payment" in shown.said
    assert (report["erased"], report["to_be_erased"]) == ([], [order_id])
    assert still["status"] == "pending_payment"
    await forgotten(operator, guest.guest_id)
    assert (await guest.look(order_id)).status_code == 404


async def test_a_guest_who_is_paying_is_charged_once_and_forgotten_after_the_stay(
    operator: Operator, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    report, _ = await asyncio.gather(erased(operator, guest), operator.system.pay(session))

    assert report["to_be_erased"] == [order_id]
    seen = await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert seen["guest_id"] == guest.guest_id
    await is_clean(operator.system)


async def test_erasing_again_changes_nothing_and_another_property_is_untouched(
    operator: Operator, guest: Guest
) -> None:
    order_id = await fulfilled_order(operator, guest)
    first = await erased(operator, guest)
    elsewhere = await operator.json("guest", "erase", guest.guest_id, "--property", "kamogawa", *WHY, "--yes")
    again = await erased(operator, guest)

    assert first["erased"] == [order_id]
    assert (elsewhere["erased"], again["erased"], again["to_be_erased"]) == ([], [], [])
    assert (await Desk.of(operator.system).sees(order_id))["guest_id"] == first["pseudonym"]


async def test_an_order_that_never_was_is_not_brought_back_by_its_dead_letter(operator: Operator, guest: Guest) -> None:
    order_id = OrderId("ord_" + "z" * 26)
    command = PlaceOrder(
        order_id=order_id,
        guest=OrderGuest(
            guest_id=GuestId(guest.guest_id),
            property_id=PropertyId(HOME),
            reservation_id=ReservationId("res_test"),
            stay_from=STAY_FROM,
            stay_to=STAY_TO,
        ),
        lines=(RequestedLine.model_validate(BREAKFAST),),
    )
    await operator.park(command, "orders.place-order.v1", "extras.commands", "m-1")
    await operator.park(b'\xff{"guest": "' + guest.guest_id.encode() + b'" alpenhof', "odd", "extras.commands", "m-2")

    report = await erased(operator, guest)

    assert report["letters"] == 2
    assert await operator.json("dead", "list") == []
    assert guest.guest_id not in stored_text(operator)


async def test_a_dead_letter_that_comes_afterwards_is_rewritten_as_well(operator: Operator, guest: Guest) -> None:
    order_id = await fulfilled_order(operator, guest)
    await erased(operator, guest)
    await operator.park(cancelling(order_id, guest.guest_id), "orders.cancel-order.v1", "extras.commands", "m-1")
    assert len(await operator.json("dead", "list", code=1)) == 1

    await operator.json("guest", "erase-again", *WHY)

    await forgotten(operator, guest.guest_id)
    assert await operator.json("dead", "list") == []


async def test_a_plan_that_a_backup_has_brought_back_is_rewritten_as_well(operator: Operator, guest: Guest) -> None:
    order_id = await fulfilled_order(operator, guest)
    await operator.park(cancelling(order_id, guest.guest_id), "orders.cancel-order.v1", "extras.commands", "m-1")
    await operator.runs("dead", "replay", *WHY, code=None)  # asks, and is not answered: the plan stays
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url, tz_aware=True) as client:
        items = client[operator.system.setup.database].replay_items
        [backup] = items.find()
        await erased(operator, guest)
        items.replace_one({"_id": backup["_id"]}, backup)

    done = await operator.json("guest", "erase-again", *WHY)

    assert done == {"asked_again": 0, "letters": 0, "planned": 1}
    await forgotten(operator, guest.guest_id)
    assert (await operator.json("guest", "erase-again", *WHY))["planned"] == 0


async def test_a_corrected_letter_that_a_backup_has_brought_back_is_forgotten_in_the_audit_log_as_well(
    operator: Operator, guest: Guest
) -> None:
    order_id = await fulfilled_order(operator, guest)
    await correct_a_letter(operator, guest, order_id)
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url, tz_aware=True) as client:
        database = client[operator.system.setup.database]
        backup = {name: list(database[name].find()) for name in ("dead_letters", "audit_log")}
        await erased(operator, guest)
        for name, documents in backup.items():
            for document in documents:
                database[name].replace_one({"_id": document["_id"]}, document)
    assert "ill at home" in stored_text(operator)

    done = await operator.json("guest", "erase-again", *WHY)

    assert done["letters"] == 2  # as it came, and corrected
    assert "ill at home" not in stored_text(operator)
    await forgotten(operator, guest.guest_id)


async def test_what_an_interrupted_erasure_has_left_in_the_audit_log_is_forgotten_by_the_next(
    operator: Operator, guest: Guest
) -> None:
    """The letters are rewritten, their order has forgotten the guest: only the entries still say something."""
    order_id = await fulfilled_order(operator, guest)
    why = ("--why", "the guest is ill at home")
    await correct_a_letter(operator, guest, order_id, *why)
    await operator.runs("reconcile", "--order", order_id, *why)
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url, tz_aware=True) as client:
        audit_log = client[operator.system.setup.database].audit_log
        backup = list(audit_log.find())
        await erased(operator, guest)
        for entry in backup:
            audit_log.replace_one({"_id": entry["_id"]}, entry)
    assert "ill at home" in stored_text(operator)

    done = await operator.json("guest", "erase-again", *WHY)

    assert done == {"asked_again": 0, "letters": 0, "planned": 0}
    assert "ill at home" not in stored_text(operator)
    await forgotten(operator, guest.guest_id)


async def test_a_corrected_letter_that_was_deleted_is_forgotten_in_the_audit_log(
    operator: Operator, guest: Guest
) -> None:
    order_id = await fulfilled_order(operator, guest)
    await correct_a_letter(operator, guest, order_id)
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url) as client:
        client[operator.system.setup.database].dead_letters.delete_many({})
    assert "ill at home" in stored_text(operator)

    await erased(operator, guest)

    assert "ill at home" not in stored_text(operator)
    await forgotten(operator, guest.guest_id)


async def test_a_restored_order_is_erased_again(operator: Operator, guest: Guest) -> None:
    order_id = await fulfilled_order(operator, guest)
    with MongoClient[dict[str, Any]](operator.system.setup.mongodb_url, tz_aware=True) as client:
        orders = client[operator.system.setup.database].orders
        backup = orders.find_one({"_id": order_id})
        report = await erased(operator, guest)
        await forgotten(operator, guest.guest_id)
        orders.replace_one({"_id": order_id}, backup or {})

    assert guest.guest_id in stored_text(operator)
    asked = await operator.json("guest", "erase-again", *WHY)

    assert asked == {"asked_again": 1, "letters": 0, "planned": 0}
    await forgotten(operator, guest.guest_id)
    assert (await Desk.of(operator.system).sees(order_id))["guest_id"] == report["pseudonym"]
    assert [each["order_id"] for each in await operator.json("guest", "erasures")] == [order_id]
