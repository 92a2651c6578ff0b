"""A command to the PSP that comes again after the PSP has forgotten its idempotency key moves no money twice."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import aio_pika
import httpx

from tests.support.desk import TOTAL, Desk, is_clean, kept, paid_order, refunds_of
from tests.support.guest import BREAKFAST_TOTAL, Guest, body
from tests.support.system import API_KEY, System
from tests.support.waiting import until

CREATE_REFUND = "psp.create-psp-refund.v1"


async def test_a_part_refund_handled_again_a_day_later_is_made_once(
    own_system: Callable[..., Awaitable[System]],
) -> None:
    system = await own_system()
    guest, desk = system.guest(), Desk.of(system)
    order_id = await paid_order(system, guest)
    body(await desk.refund(order_id, 1000), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    [asked] = [m for m in await system.log() if m.type == CREATE_REFUND and order_id.encode() in m.body]
    handled = await system.counted("psp_adapter", "bellhop_messages_handled", kind=CREATE_REFUND)

    await system.advance_psp_clock(timedelta(hours=25))
    async with system.channel() as channel:
        commands = await channel.get_exchange("commands", ensure=False)
        again = aio_pika.Message(
            asked.body,
            message_id=asked.message_id,
            type=CREATE_REFUND,
            correlation_id="again",
            user_id=system.login,
        )
        await commands.publish(again, CREATE_REFUND)

    async def handled_again() -> bool:
        return await system.counted("psp_adapter", "bellhop_messages_handled", kind=CREATE_REFUND) > handled

    await until(handled_again, "the adapter has handled the command again")
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]
    assert await kept(system, order_id) == TOTAL - 1000
    # The PSP is right a day later about everything else as well: its webhooks are believed, its books add up.
    body(await desk.refund(order_id, 500), 200)
    await guest.sees(order_id, refunded=BREAKFAST_TOTAL | {"amount": 1500})
    await until(system.webhooks_delivered, "the webhooks signed a day later are taken")
    await is_clean(system)


async def test_a_failure_the_psp_has_stored_under_a_key_holds_up_neither_session_nor_refund(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = (await guest.order())["order_id"]
    async with system.faults(api={"keep_500": {"next": 1, "match": "POST /v1/payment_intents"}}):
        session = await guest.session(order_id)
    body(await system.pay(session), 200)
    await guest.sees(order_id, status="confirmed")

    async with system.faults(api={"keep_500": {"next": 1, "match": "POST /v1/refunds"}}):
        body(await desk.refund(order_id, 1000), 200)
        await guest.sees(order_id, payment_status="partially_refunded")

    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]


async def test_a_second_refund_under_one_id_brings_the_order_before_a_person(system: System, guest: Guest) -> None:
    order_id = await paid_order(system, guest)
    desk = Desk.of(system)
    body(await desk.refund(order_id, 1000), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    [first] = await refunds_of(system, order_id)

    # As an adapter of before would have done, once the PSP had forgotten the key.
    async with httpx.AsyncClient(trust_env=False) as http:
        form = {"payment_intent": first["payment_intent"], "amount": "1000"}
        form |= {f"metadata[{name}]": value for name, value in first["metadata"].items()}
        key = {"Authorization": f"Bearer {API_KEY}"}
        body(await http.post(f"{system.sandbox.url}/v1/refunds", data=form, headers=key), 200)

    await guest.sees(order_id, status="needs_review")
    body(await desk.resolve(order_id, "accept"), 200)
    await guest.sees(order_id, status="confirmed", payment_status="partially_refunded")
