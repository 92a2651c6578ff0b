"""What a newer version of a service has written is neither lost nor parked by an older one."""

from collections.abc import Callable
from typing import Any

from tests.support.guest import body
from tests.support.system import EXTRAS, System
from tests.support.waiting import until


async def test_a_message_about_an_order_of_a_newer_version_waits_for_one_that_reads_it(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system()
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)
    orders = system.documents["orders"]
    unknown = {"added": {"by": "a newer version"}, "state.gift": True, "state.lines.0.wrapped": {"in": "paper"}}

    await orders.update_one({"_id": order_id}, {"$set": {**unknown, "schema": 2}, "$inc": {"version": 1}})
    body(await system.pay(session), 200)
    said = await until(lambda: _left(system), "readiness says what is left to a newer version")

    assert f"{order_id} was written by a newer version" in said
    assert (await system.operator(EXTRAS, "/health/ready")).status_code == 200

    await orders.update_one({"_id": order_id}, {"$set": {"schema": 1}})
    await guest.sees(order_id, status="confirmed", payment_status="paid")

    stored = await system.document(order_id)
    assert stored is not None
    assert stored["added"] == unknown["added"]
    assert stored["state"]["gift"] is True
    assert stored["state"]["lines"][0]["wrapped"] == {"in": "paper"}
    assert set((await system.parked()).values()) == {0}


async def _left(system: System) -> str:
    said = (await system.operator(EXTRAS, "/health/ready")).json()
    return str(said["problems"].get("newer versions", ""))
