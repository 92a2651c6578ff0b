"""Money that moves in the PSP's dashboard: the order's payment status follows."""

import asyncio

from deploy.local.patience import patient
from tests.support.desk import TOTAL, Desk, intent_of, kept, next_of, paid_order, refunds_of
from tests.support.guest import BREAKFAST_TOTAL, Guest, body
from tests.support.system import System
from tests.support.waiting import PATIENCE, until

CHANGED = "orders.order-payment-changed"


async def test_a_refund_made_in_the_dashboard_reaches_the_order_and_its_watchers(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    async with guest.watching(order_id) as events, asyncio.timeout(patient(PATIENCE)):
        assert (await anext(events)).payment_status == "paid"
        await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
        part = await next_of(events, CHANGED)
        await system.switch(f"payment_intents/{intent['id']}/refund")
        whole = await next_of(events, CHANGED)

    assert (part.status, part.payment_status) == ("confirmed", "partially_refunded")
    assert (whole.status, whole.payment_status) == ("confirmed", "refunded")
    assert (await guest.see(order_id))["refunded"] == BREAKFAST_TOTAL
    assert await kept(system, order_id) == 0


async def test_what_the_dashboard_gave_back_is_not_given_back_again(system: System, guest: Guest, desk: Desk) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)
    await system.switch(f"payment_intents/{intent['id']}/refund", {"amount": 1200})
    await guest.sees(order_id, payment_status="partially_refunded")

    body(await desk.cancel(order_id), 200)

    await guest.sees(order_id, status="cancelled", payment_status="refunded")
    assert sorted(refund["amount"] for refund in await refunds_of(system, order_id)) == [1200, TOTAL - 1200]


async def test_a_pending_refund_of_the_dashboard_counts_once_it_has_settled(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    intent = await intent_of(system, order_id)

    refund = await system.switch(f"payment_intents/{intent['id']}/refund", {"status": "pending"})
    await until(lambda: refunds_known(system, order_id), "the payment knows of the refund")
    before = await guest.see(order_id)
    await system.switch(f"refunds/{refund['id']}/settle", {"outcome": "succeed"})

    assert before["payment_status"] == "paid"
    await guest.sees(order_id, status="confirmed", payment_status="refunded")


async def refunds_known(system: System, order_id: str) -> bool:
    payment = await system.payment_of(order_id)
    return bool(payment and payment["state"]["refunds"])
