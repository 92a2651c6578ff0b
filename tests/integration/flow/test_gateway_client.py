"""The typed client on a running system: an order from the catalogue to its confirmation, and a refusal."""

import asyncio

import pytest

from client import GatewayClient, ProblemError, calls
from contracts.orders import OrderStatus, PaymentStatus, RequestedLine
from deploy.local.patience import patient
from tests.support.guest import BREAKFAST, Guest, body
from tests.support.system import System
from tests.support.waiting import PATIENCE


async def test_a_program_orders_pays_and_watches(system: System, guest: Guest) -> None:
    gateway = GatewayClient(guest.http)
    offered = (await gateway.send(calls.list_extras())).extras
    order = await gateway.send(calls.place_order([RequestedLine.model_validate(BREAKFAST)], key="basket"))
    session = await gateway.send(calls.start_payment(order.order_id))

    async with gateway.watch(order.order_id) as updates, asyncio.timeout(patient(PATIENCE)):
        first = await anext(updates)
        body(await system.pay(session.model_dump(mode="json")), 200)
        confirmed = await anext(updates)

    assert BREAKFAST["extra_id"] in {extra.extra_id for extra in offered}
    assert (first.event, first.status) == ("orders.order-state", OrderStatus.PENDING_PAYMENT)
    assert (confirmed.status, confirmed.payment_status) == (OrderStatus.CONFIRMED, PaymentStatus.PAID)
    assert await gateway.send(calls.get_order(order.order_id)) == (await gateway.send(calls.list_orders())).orders[0]


async def test_a_program_learns_why_it_is_refused(guest: Guest) -> None:
    gateway = GatewayClient(guest.http)

    with pytest.raises(ProblemError) as raised:
        await gateway.send(calls.place_order([], key="empty"))

    assert (raised.value.name, raised.value.status) == ("no-lines", 422)
