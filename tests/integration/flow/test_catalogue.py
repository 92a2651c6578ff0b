"""The catalogue on a running system: slots are sold one by one."""

from tests.support.guest import Guest, body, problem
from tests.support.system import System

DAY = "2038-02-05"


def _spa(slot: str | None, day: str = DAY) -> dict[str, object]:
    line: dict[str, object] = {"extra_id": "alm-private-spa", "quantity": 1, "day": day}
    return line if slot is None else line | {"slot": slot}


async def test_a_guest_orders_a_slot_and_another_guest_can_only_have_another_one(system: System, guest: Guest) -> None:
    order = await guest.order(_spa("15:00"))
    other = system.guest()

    assert order["lines"][0]["slot"] == "15:00"
    refused = problem(await other.place(_spa("15:00")), 422, "out-of-stock")
    assert "15:00" in refused["detail"]
    problem(await other.place(_spa(None)), 422, "slot-unknown")
    assert body(await other.place(_spa("17:00")), 201)["lines"][0]["slot"] == "17:00"
