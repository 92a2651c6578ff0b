"""A command to the PSP that comes again after the PSP has forgotten its idempotency key moves no money twice."""

import aio_pika

from tests.integration.flow.guest import Guest, body
from tests.integration.flow.system import System
from tests.integration.flow.waiting import until
from tests.integration.money.desk import TOTAL, Desk, kept, paid_order, refunds_of

CREATE_REFUND = "psp.create-psp-refund.v1"


async def test_a_part_refund_handled_again_after_its_key_was_forgotten_is_made_once(
    system: System, guest: Guest, desk: Desk
) -> None:
    order_id = await paid_order(system, guest)
    body(await desk.refund(order_id, 1000), 200)
    await guest.sees(order_id, payment_status="partially_refunded")
    [asked] = [m for m in await system.log() if m.type == CREATE_REFUND and order_id.encode() in m.body]
    handled = await system.counted("psp_adapter", "bellhop_messages_handled", kind=CREATE_REFUND)

    await system.switch("idempotency-keys/forget")
    async with system.channel() as channel:
        commands = await channel.get_exchange("commands", ensure=False)
        again = aio_pika.Message(asked.body, message_id=asked.message_id, type=CREATE_REFUND, correlation_id="again")
        await commands.publish(again, CREATE_REFUND)

    async def handled_again() -> bool:
        return await system.counted("psp_adapter", "bellhop_messages_handled", kind=CREATE_REFUND) > handled

    await until(handled_again, "the adapter has handled the command again")
    assert [refund["amount"] for refund in await refunds_of(system, order_id)] == [1000]
    assert await kept(system, order_id) == TOTAL - 1000
