"""Guests and staff cancel orders: before and after the payment, in time and too late, and more than once."""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from deploy.local.patience import patient
from tests.support.desk import (
    TOTAL,
    Desk,
    cancel,
    intent_of,
    is_clean,
    kept,
    next_of,
    paid_order,
    payment_is,
    refunds_of,
)
from tests.support.guest import BREAKFAST, BREAKFAST_TOTAL, Guest, body, problem
from tests.support.system import PAYMENTS, System
from tests.support.waiting import PATIENCE, until


@pytest.fixture
def arriving(system: System) -> Guest:
    """A guest whose stay has begun: too late to cancel what is paid."""
    return system.guest(stay_from=today(), stay_to=today(5))


def today(plus: int = 0) -> str:
    return (datetime.now(ZoneInfo("Europe/Vienna")).date() + timedelta(days=plus)).isoformat()


async def test_an_order_without_a_started_payment_is_cancelled_at_once(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]

    answer = body(await cancel(guest, order_id), 200)

    assert (answer["status"], answer["payment_status"]) == ("cancelled", "unpaid")
    assert await system.intents(order_id) == []
    assert (await system.log_of(order_id))["payments.close-payment-session.v1"] == 0
    problem(await guest.ask_for_session(order_id), 409, "order-not-payable")


async def test_an_order_with_an_open_session_is_cancelled_once_the_psp_has_closed_it(
    system: System, guest: Guest
) -> None:
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        answer = body(await cancel(guest, order_id), 200)
        received = await next_of(events, "orders.order-cancelled")

    assert answer["status"] == "cancelling"
    assert received.payment_status == "unpaid"
    assert (await intent_of(system, order_id))["status"] == "canceled"
    assert body(await system.pay(session), 400)["error"]["code"] == "payment_intent_unexpected_state"
    await payment_is(system, order_id, "closed")


async def test_a_paid_order_is_cancelled_before_the_cut_off_and_refunded_in_full(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)

    answer = body(await cancel(guest, order_id), 200)

    assert answer["status"] == "cancelled"
    order = await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert order["refunded"] == BREAKFAST_TOTAL
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [TOTAL]
    assert await kept(system, order_id) == 0


async def test_a_paid_order_can_no_longer_be_cancelled_after_the_cut_off(system: System, arriving: Guest) -> None:
    order_id = await paid_order(system, arriving, BREAKFAST | {"day": today()})

    problem(await cancel(arriving, order_id), 409, "cancellation-too-late")

    assert (await arriving.see(order_id))["status"] == "confirmed"
    assert await kept(system, order_id) == TOTAL


async def test_staff_cancel_a_paid_order_even_after_the_cut_off(system: System, arriving: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, arriving, BREAKFAST | {"day": today()})

    body(await desk.cancel(order_id), 200)

    await arriving.sees(order_id, status="cancelled", payment_status="refunded")
    assert await kept(system, order_id) == 0


async def test_cancelling_again_and_at_the_same_time_refunds_once(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)

    answers = await asyncio.gather(*(cancel(guest, order_id) for _ in range(5)), desk.cancel(order_id))
    await guest.sees(order_id, payment_status="refunded")
    again = body(await cancel(guest, order_id), 200)

    assert {body(answer, 200)["status"] for answer in answers} == {"cancelled"}
    assert (again["status"], again["payment_status"]) == ("cancelled", "refunded")
    assert len(await refunds_of(system, order_id)) == 1
    kinds = "orders.order-cancelled.v1", "psp.create-psp-refund.v1"
    log = await system.log_of(order_id, *kinds)
    assert [log[kind] for kind in kinds] == [1, 1]


async def test_an_order_is_cancelled_while_its_session_is_being_opened(system: System, guest: Guest) -> None:
    order_id = (await guest.order())["order_id"]
    async with system.faults(api={"latency_ms": 700}):
        asking = asyncio.create_task(guest.ask_for_session(order_id))
        await until(lambda: system.payment_of(order_id), "the payment is recorded")
        body(await cancel(guest, order_id), 200)

        problem(await asking, 409, "order-not-payable")
        await guest.sees(order_id, status="cancelled", payment_status="unpaid")

    async def canceled_at_psp() -> bool:
        return [intent["status"] for intent in await system.intents(order_id)] == ["canceled"]

    await until(canceled_at_psp, "the session that was still being opened is closed")


async def test_another_guests_order_is_not_there(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)

    problem(await cancel(system.guest(), order_id), 404, "order-not-found")

    assert (await guest.see(order_id))["status"] == "confirmed"


async def test_a_guest_may_not_do_what_staff_do(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    as_guest = Desk(system, guest.http)

    answers = [
        await as_guest.fulfil(order_id),
        await as_guest.refund(order_id),
        await as_guest.resolve(order_id, "accept"),
    ]

    for answer in answers:
        problem(answer, 403, "wrong-role")
    assert await kept(system, order_id) == TOTAL


async def test_an_order_of_another_property_is_not_there_for_staff(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    elsewhere = Desk.of(system, "kamogawa")

    answers = [
        await elsewhere.cancel(order_id),
        await elsewhere.fulfil(order_id),
        await elsewhere.refund(order_id),
        await elsewhere.resolve(order_id, "refund"),
        await elsewhere.look(order_id),
    ]

    for answer in answers:
        problem(answer, 404, "order-not-found")
    order = await guest.see(order_id)
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")


async def test_a_cancellation_while_the_payment_service_is_down_is_finished_when_it_is_back(
    system: System, guest: Guest
) -> None:
    order_id = await paid_order(system, guest)
    await system.parts[PAYMENTS].stop()

    answer = body(await cancel(guest, order_id), 200)
    await system.parts[PAYMENTS].start()

    assert (answer["status"], answer["payment_status"]) == ("cancelled", "paid")
    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    await is_clean(system)
