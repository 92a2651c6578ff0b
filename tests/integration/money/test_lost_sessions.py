"""A session that cannot be opened, closed or found: guest, stock and staff have a way out, and asking has an end.

Days pass in seconds (`poll_interval_factor`): a day in 1.7 s, the week after which a person must look in 12 s, and on
a busy machine in proportion more: an order always expires long before that week is over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.patience import patient
from payment_service.payment.polling import UNKNOWN_POLLS
from tests.integration.money.test_forbidden import forget_at_psp
from tests.integration.money.test_stock import taken_is
from tests.support.desk import Desk, cancel, paid_order
from tests.support.guest import Guest, Json, body
from tests.support.situations import massage
from tests.support.system import System
from tests.support.waiting import until

Systems = Callable[..., Awaitable[System]]

DAY = "2038-02-03"


def pace() -> dict[str, Any]:
    """Settings of a system that gives up soon; a busy machine has time to pay before an order expires."""
    slower = patient(1)
    return {
        "poll_interval_factor": 0.00002 * slower,
        "pay_within": timedelta(seconds=3 * slower),
        "stripe_retries": 0,
        "stripe_breaker_threshold": 1000,
    }


EACH_CALL: Json = {"probability": 1}
MOST_POLLS = len(UNKNOWN_POLLS)
"""How often the PSP is asked by itself, at most, about a payment of which it says nothing."""
COMMANDS = ("psp.create-psp-session.v1", "psp.close-psp-session.v1", "psp.retrieve-psp-session.v1")


@pytest.mark.parametrize("ends_as", ["cancelled", "expired"])
async def test_a_session_that_cannot_be_opened_keeps_no_place_from_the_next_guest(
    own_system: Systems, ends_as: str
) -> None:
    system = await own_system(**pace())
    guest = system.guest()
    async with system.faults(api={"keep_500": EACH_CALL | {"match": "POST /v1/payment_intents"}}):
        order_id = (await guest.order(massage(DAY, 2)))["order_id"]
        await asks_for_a_session(system, guest, order_id)
        if ends_as == "cancelled":
            body(await cancel(guest, order_id), 200)

        await guest.sees(order_id, status=ends_as, payment_status="unpaid")
        await until(lambda: taken_is(system, DAY, 0), "its places are free again")
        await is_asked_no_more(system, order_id)

    assert await polls_of(system, order_id) <= MOST_POLLS
    assert set((await system.parked()).values()) == {0}


async def test_a_session_that_is_gone_from_our_account_ends_before_a_person_who_hears_why(own_system: Systems) -> None:
    system = await own_system(**pace())
    desk = Desk.of(system)
    await paid_order(system, system.guest())  # the account knows a payment of ours
    cancelling, expiring = [(guest, (await guest.order(massage(DAY)))["order_id"]) for guest in _guests(system, 2)]
    for guest, order_id in (cancelling, expiring):
        await guest.session(order_id)
        await forget_at_psp(system, order_id)
    before = {order_id: await polls_of(system, order_id) for _, order_id in (cancelling, expiring)}
    await cancel(*cancelling)

    for guest, order_id in (cancelling, expiring):
        await guest.sees(order_id, status="needs_review")
        order = await desk.sees(order_id)
        await is_asked_no_more(system, order_id)
        body(await desk.resolve(order_id, "refund"), 200)

        assert "another account or mode" in order["staff"]["review"]
        await guest.sees(order_id, status="cancelled", payment_status="unpaid")
        assert await polls_of(system, order_id) - before[order_id] <= MOST_POLLS
    await until(lambda: taken_is(system, DAY, 0), "their places are free again")
    assert set((await system.parked()).values()) == {0}


async def test_questions_to_a_psp_of_another_account_neither_pile_up_nor_go_on_for_ever(own_system: Systems) -> None:
    system = await own_system(**pace())
    desk = Desk.of(system)
    orders = [(guest, (await guest.order(massage(DAY)))["order_id"]) for guest in _guests(system, 2)]
    for guest, order_id in orders:
        await guest.session(order_id)

    before = {order_id: await polls_of(system, order_id) for _, order_id in orders}
    await system.switch("reset")  # as an account that has never seen this system
    await cancel(*orders[0])

    for guest, order_id in orders:
        await guest.sees(order_id, status="needs_review")
        assert "said nothing about this payment for a week" in (await desk.sees(order_id))["staff"]["review"]
        await is_asked_no_more(system, order_id)
        body(await desk.resolve(order_id, "refund"), 200)
        await guest.sees(order_id, status="cancelled", payment_status="unpaid")
        assert await polls_of(system, order_id) - before[order_id] <= 2 * MOST_POLLS
    await until(lambda: taken_is(system, DAY, 0), "their places are free again")
    assert set((await system.parked()).values()) == {0}


def _guests(system: System, number: int) -> list[Guest]:
    return [system.guest() for _ in range(number)]


async def asks_for_a_session(system: System, guest: Guest, order_id: str) -> None:
    """Ask, and leave before the answer."""
    asking = asyncio.create_task(guest.ask_for_session(order_id))
    await until(lambda: system.payment_of(order_id), "the payment service was asked")
    asking.cancel()


async def polls_of(system: System, order_id: str) -> int:
    """How many commands about an order the PSP's adapter was given."""
    return sum(count for kind, count in (await system.log_of(order_id)).items() if kind in COMMANDS)


async def is_asked_no_more(system: System, order_id: str) -> None:
    """Wait until no further question about the payment is planned."""

    async def is_over() -> bool:
        payment = await system.payment_of(order_id)
        return payment is not None and payment["state"]["due_at"] is None

    await until(is_over, "no further question to the PSP is planned")
