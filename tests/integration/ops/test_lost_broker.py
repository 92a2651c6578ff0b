"""A broker that lost everything in it, replaced by an empty one as docs/backup.md says it."""

from dataclasses import replace
from typing import Any

import pytest

from chassis.messaging.broker_address import BrokerAddress
from deploy.local.broker import Broker
from deploy.local.store import Store
from tests.support.accounts import accounts_at
from tests.support.books import is_settled
from tests.support.desk import Desk, is_clean, paid_order, refunds_of
from tests.support.guest import body
from tests.support.operator import Operator
from tests.support.system import EXTRAS, PAYMENTS, SERVICES, System, system_on
from tests.support.waiting import until


async def replaced(system: System, broker: Broker) -> None:
    """All services stop, and start at a broker that has the topology and nothing else."""
    for name in reversed(SERVICES):
        await system.parts[name].stop()
    vhost = BrokerAddress(system.setup.amqp_url).vhost
    broker.drop_vhost(vhost)
    url = broker.new_vhost(vhost)
    system.setup = replace(system.setup, accounts=await accounts_at(broker, url))
    for name in SERVICES:
        await system.parts[name].start()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("away", [EXTRAS, PAYMENTS])
async def test_what_waited_for_a_service_in_a_lost_broker_is_asked_for_again(
    broker: Broker, store: Store, away: str
) -> None:
    async with system_on(broker, store, reply_timeout=2.0) as system:
        guest, desk = system.guest(), Desk.of(system)
        unpaid, paying, asking = [(await guest.order())["order_id"] for _ in range(3)]
        session = await guest.session(paying)
        await guest.session(unpaid)
        to_refund, to_cancel = await paid_order(system, guest), await paid_order(system, guest)
        await until(lambda: is_settled(system), "nothing is under way")
        await system.parts[away].stop()
        body(await system.pay(session), 200)
        if away == PAYMENTS:
            await guest.ask_for_session(asking)
            body(await desk.refund(to_refund, 1000), 200)
            body(await desk.refund(to_cancel), 200)
        else:
            await until(lambda: payment_is_known(system, paying), "the payment service knows the payment")

        await replaced(system, broker)
        named = [word for order_id in (to_refund, to_cancel) for word in ("--order", order_id)]
        await Operator(system).runs("reconcile", *named, "--why", "the broker was lost")

        await guest.sees(paying, status="confirmed", payment_status="paid")
        await guest.session(asking)
        await is_clean(system)
        if away == PAYMENTS:
            await guest.sees(to_refund, payment_status="partially_refunded")
            await guest.sees(to_cancel, payment_status="refunded")
            assert [each["amount"] for each in await refunds_of(system, to_refund)] == [1000]
            refused = await Operator(system).runs("reconcile", "--order", "ord_x", "--why", "a typing error", code=2)
            assert "There is no order ord_x." in refused.said


async def payment_is_known(system: System, order_id: str) -> bool:
    payment: Any = await system.payment_of(order_id)
    return payment is not None and payment["state"]["status"] == "succeeded"
