"""A store that is restored to an earlier time, brought up to date as docs/operations.md says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.books import is_settled
from tests.support.desk import Desk, audited, cancel, paid_order, refunds_of
from tests.support.guest import Guest, Json, body
from tests.support.operator import Operator
from tests.support.system import EXTRAS, GATEWAY, PAYMENTS, System
from tests.support.waiting import until

NO_SWEEPS = 86400.0
"""Seconds: what the page says for `BELLHOP_SWEEP_EVERY` until the store has caught up."""


@dataclass(frozen=True)
class Restorable:
    """A store: its service, its collections, and the queues its service takes its work from."""

    part: str
    collections: tuple[str, ...]
    queues: tuple[str, ...]


STORES = {
    "extras": Restorable(EXTRAS, ("orders", "stock"), ("extras.commands", "extras.payments", "extras.stock")),
    "payments": Restorable(PAYMENTS, ("payments", "psp_sweeps"), ("payments.commands", "payments.psp")),
}
Backup = Mapping[str, list[Json]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lost", STORES.values(), ids=STORES)
async def test_a_store_restored_to_before_payments_refunds_and_confirmations_loses_nothing(
    own_system: Callable[..., Any], lost: Restorable
) -> None:
    system: System = await own_system()
    desk, guest = Desk.of(system), system.guest()
    unrequested, unpaid = (await guest.order())["order_id"], (await guest.order())["order_id"]
    session = await guest.session(unpaid)
    to_refund, to_cancel = await paid_order(system, guest), await paid_order(system, guest)
    await until(lambda: is_settled(system), "nothing is under way")
    backup, taken_at = await backup_of(system, lost), datetime.now(UTC)
    body(await system.pay(session), 200)
    body(await system.pay(await guest.session(unrequested)), 200)
    body(await desk.refund(to_refund, 1000), 200)
    body(await cancel(guest, to_cancel), 200)
    later = await paid_order(system, guest)
    orders = (unrequested, unpaid, to_refund, to_cancel, later)
    await until(lambda: is_settled(system), "every refund has settled")
    for order_id in (unrequested, unpaid):
        await guest.sees(order_id, status="confirmed", payment_status="paid")
    before = await seen(system, guest, orders)

    await system.parts[GATEWAY].stop()
    await system.parts[lost.part].stop()
    await restore(system, backup)
    await start(system, lost.part, sweep_every=NO_SWEEPS)
    operator = Operator(system)
    to = [word for queue in lost.queues for word in ("--to", queue)]
    since = (taken_at - timedelta(seconds=2)).isoformat()
    replay = ("log", "replay", *to, "--since", since, "--rate", "100", "--accept-changes", "--yes")
    print((await operator.runs(*replay, "--why", "store restored")).said)  # noqa: T201 - read when it fails
    await system.parts[lost.part].stop()
    await start(system, lost.part, sweep_every=system.setup.sweep_every)
    await system.parts[GATEWAY].start()
    await operator.runs("reconcile", "--why", "store restored")

    await until(lambda: is_settled(system), "nothing is under way")
    assert await seen(system, guest, orders) == before
    assert (await audited(system)).findings == ()
    assert set((await system.parked()).values()) == {0}


async def backup_of(system: System, lost: Restorable) -> Backup:
    return {name: await system.documents[name].find({}).to_list() for name in lost.collections}


async def restore(system: System, backup: Backup) -> None:
    """As `mongorestore --drop` of these collections does it, an hour later: every deadline has passed."""
    passed = datetime.now(UTC) - timedelta(minutes=30)
    for name, documents in backup.items():
        await system.documents[name].delete_many({})
        for document in documents:
            await system.documents[name].insert_one(document)
        await system.documents[name].update_many(
            {"due_at": {"$type": "date"}}, {"$set": {"due_at": passed, "state.due_at": passed.isoformat()}}
        )


async def start(system: System, part: str, *, sweep_every: float) -> None:
    usual = system.setup
    system.setup = replace(usual, sweep_every=sweep_every)
    await system.parts[part].start()
    system.setup = usual


async def seen(system: System, guest: Guest, orders: tuple[str, ...]) -> list[Any]:
    """What the guest sees of each order, and what the PSP has refunded for it."""
    found = []
    for order_id in orders:
        order = await guest.see(order_id)
        refunds = sorted((refund["amount"], refund["status"]) for refund in await refunds_of(system, order_id))
        found.append((order_id, order["status"], order["payment_status"], order["refunded"], refunds))
    return found
