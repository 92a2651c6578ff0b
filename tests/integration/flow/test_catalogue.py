"""The catalogue on a running system: slots are sold one by one, and staff change what is offered."""

from datetime import datetime, timedelta

import httpx

from tests.support.guest import Guest, Json, body, problem, token
from tests.support.system import System

DAY = "2038-02-05"
YOGA: Json = {
    "name": {"en": "Yoga"},
    "category": "spa",
    "unit_price": {"amount": 2400, "currency": "EUR"},
    "max_quantity": 2,
    "needs_day": True,
    "slots": [{"at": "08:00", "places": 8}],
}
YOGA_LINE: Json = {"extra_id": "alm-yoga", "quantity": 1, "day": DAY, "slot": "08:00"}


class Owner:
    """A member of staff who may change the catalogue."""

    def __init__(self, system: System, role: str = "owner") -> None:
        signed = token(
            sub="owner-hilde", role=role, property="alpenhof", reservation=None, stay_from=None, stay_to=None
        )
        self._http = system.browser(f"Bearer {signed}")

    async def asks(self, method: str, path: str, said: Json | None = None) -> httpx.Response:
        return await self._http.request(method, f"/v1/staff/{path}", json=said)

    async def uploads(self, content: bytes) -> httpx.Response:
        return await self._http.post("/v1/staff/pictures", content=content)


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


async def test_an_owner_makes_an_extra_and_a_guest_orders_it_at_the_version_it_is_then(
    system: System, guest: Guest
) -> None:
    owner = Owner(system)
    made = body(await owner.asks("POST", "catalogue", {"extra_id": "alm-yoga", "definition": YOGA}), 201)
    dearer = YOGA | {"unit_price": {"amount": 2600, "currency": "EUR"}}
    change = {"version": made["version"], "definition": dearer, "reason": "the new price list"}

    before = await guest.order(YOGA_LINE)
    changed = body(await owner.asks("PUT", "catalogue/alm-yoga", change), 200)
    after = await system.guest().order(YOGA_LINE)

    assert body(await owner.asks("PUT", "catalogue/alm-yoga", change), 200) == changed, "safe to repeat"
    assert [(order["lines"][0]["extra_version"], order["total"]["amount"]) for order in (before, after)] == [
        (1, 2400),
        (2, 2600),
    ]
    assert [version["reason"] for version in changed["versions"]] == ["", "the new price list"]
    late = problem(
        await owner.asks("PUT", "catalogue/alm-yoga", change | {"definition": YOGA}), 409, "version-outdated"
    )
    assert "owner-hilde" in late["detail"]
    broken = {"version": 2, "definition": YOGA | {"name": {}, "max_quantity": 0}}
    wrong = problem(await owner.asks("PUT", "catalogue/alm-yoga", broken), 422, "extra-invalid")
    assert [each["pointer"] for each in wrong["errors"]] == ["/body/definition/name", "/body/definition/max_quantity"]
    unfit = {"version": 2, "definition": YOGA | {"name": {}, "max_quantity": "two", "lead_hours": -1}}
    wrong = problem(await owner.asks("PUT", "catalogue/alm-yoga", unfit), 422, "invalid-request")
    assert {each["pointer"].removeprefix("/body/definition/") for each in wrong["errors"]} == {
        *("max_quantity", "name", "lead_hours")
    }, "what has the wrong type, and what breaks a rule"
    body(await owner.asks("POST", "catalogue/alm-yoga/retire", {"version": 2}), 200)
    problem(await system.guest().place(YOGA_LINE), 422, "extra-inactive")
    await system.log_of("alm-yoga", *(f"catalogue.extra-{change}.v1" for change in ("defined", "changed", "retired")))


async def test_the_property_of_the_file_is_a_document_that_its_owner_changes(system: System, guest: Guest) -> None:
    owner = Owner(system)
    hotel = body(await owner.asks("GET", "property"), 200)
    assert hotel["definition"]["time_zone"] == "Europe/Vienna"
    own = hotel["definition"] | {"pay_within": "PT50M", "vat_id": "ATU12345678"}

    changed = body(await owner.asks("PUT", "property", {"version": hotel["version"], "definition": own}), 200)
    try:
        order = await guest.order(_spa("10:00", "2038-02-06"))
        window = datetime.fromisoformat(order["pay_until"]) - datetime.fromisoformat(order["created_at"])
        assert window == timedelta(minutes=50)
    finally:
        back = {"version": changed["version"], "definition": hotel["definition"]}
        body(await owner.asks("PUT", "property", back), 200)
    problem(await Owner(system, "reception").asks("PUT", "property", back), 403, "wrong-role")
