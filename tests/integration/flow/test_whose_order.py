"""An order is its guest's and its property's. To everybody else it is one that never was, whatever they ask of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.guest import problem, token
from tests.support.system import System

UNKNOWN_ORDER = "ord_" + "a" * 26
KEY = {"Idempotency-Key": "k"}

BusGateway = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]

GUESTS_ASK: dict[str, BusGateway] = {
    "seeing it": lambda http, order_id: http.get(f"/v1/orders/{order_id}"),
    "paying it": lambda http, order_id: http.post(f"/v1/orders/{order_id}/payment-session"),
    "cancelling it": lambda http, order_id: http.post(f"/v1/orders/{order_id}/cancel"),
    "watching it": lambda http, order_id: http.get(f"/v1/orders/{order_id}/live"),
}
STAFF_ASK: dict[str, BusGateway] = {
    "seeing it": GUESTS_ASK["seeing it"],
    "cancelling it": GUESTS_ASK["cancelling it"],
    "watching it": GUESTS_ASK["watching it"],
    "fulfilling it": lambda http, order_id: http.post(f"/v1/orders/{order_id}/fulfil"),
    "refunding it": lambda http, order_id: http.post(
        f"/v1/orders/{order_id}/refunds", json={"reason": "r"}, headers=KEY
    ),
    "reviewing it": lambda http, order_id: http.post(
        f"/v1/orders/{order_id}/review", json={"resolution": "accept", "reason": "r"}
    ),
}


async def distinguishes(http: httpx.AsyncClient, asking: BusGateway, order_id: str) -> bool:
    """Whether the two answers differ in anything but the address that was asked."""
    real, unknown = await asking(http, order_id), await asking(http, UNKNOWN_ORDER)
    seen, none = problem(real, 404, "order-not-found"), problem(unknown, 404, "order-not-found")
    headers = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in (real, unknown)]
    return seen | {"instance": ""} != none | {"instance": ""} or headers[0] != headers[1]


@pytest.mark.parametrize("what", GUESTS_ASK)
async def test_another_guest_cannot_tell_it_from_none(system: System, what: str) -> None:
    guest, stranger = system.guest(), system.guest()
    order = await guest.order()

    assert not await distinguishes(stranger.http, GUESTS_ASK[what], order["order_id"])
    assert await guest.see(order["order_id"]) == order


@pytest.mark.parametrize("what", STAFF_ASK)
async def test_the_staff_of_another_hotel_cannot_tell_it_from_none(system: System, what: str) -> None:
    guest = system.guest()
    order = await guest.order()
    staff = system.browser(f"Bearer {token(role='staff', sub='rosa', property='kamogawa')}")

    assert not await distinguishes(staff, STAFF_ASK[what], order["order_id"])
    assert await guest.see(order["order_id"]) == order


async def test_a_guest_lists_their_own_orders_only(system: System) -> None:
    guest, other = system.guest(), system.guest()
    own, foreign = (await guest.order())["order_id"], (await other.order())["order_id"]

    listed = (await guest.http.get("/v1/orders")).json()["orders"]

    assert [order["order_id"] for order in listed] == [own]
    assert own != foreign


async def test_the_same_key_of_two_guests_is_two_orders(system: System) -> None:
    guest, other = system.guest(), system.guest()

    first, second = await guest.order(key="same"), await other.order(key="same")

    assert first["order_id"] != second["order_id"]
    assert (first["guest_id"], second["guest_id"]) == (guest.guest_id, other.guest_id)


async def test_the_staff_of_its_hotel_see_it(system: System) -> None:
    order = await system.guest().order()
    staff = system.browser(f"Bearer {token(role='staff', sub='rosa')}")

    seen = (await staff.get(f"/v1/orders/{order['order_id']}")).json()
    nothing_yet: dict[str, Any] = {"review": None, "actions": [], "fulfilled_lines": [], "settled_outside": []}
    nothing_paid = {"amount": 0, "currency": order["total"]["currency"]}
    not_erased = {"erased_at": None, "is_to_be_erased": False}
    details = {"needs_attention": False, "refundable": nothing_paid, **nothing_yet, **not_erased}
    assert seen == order | {"refunds": [], "disputes": [], "staff": details}
