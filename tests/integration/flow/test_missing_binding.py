"""A binding is removed at the broker: nothing is confirmed that no consumer gets, and nothing is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.exceptions import PublishError

from contracts.topology import LOG
from deploy.accounts import declare_topology
from tests.support.guest import body
from tests.support.system import ADAPTER, GATEWAY, GOOD_CARD, PAYMENTS, System
from tests.support.waiting import until

SUCCEEDED_AT_PSP = ("payments.psp", "events", "psp.psp-payment-succeeded.v1")
SUCCEEDED = ("extras.payments", "events", "payments.payment-succeeded.v1")
PLACE_ORDER = ("extras.commands", "commands", "orders.place-order.v1")


@asynccontextmanager
async def unbound(system: System, queue: str, exchange: str, key: str) -> AsyncIterator[None]:
    """Without one binding, and afterwards as an operator mends it: by declaring the topology."""
    async with system.channel() as channel:
        await (await channel.get_queue(queue, ensure=False)).unbind(exchange, key)
    yield
    await declare_topology(system.setup.amqp_url)


async def said(system: System, part: str) -> str:
    """What a part's readiness says of messages that no queue takes."""
    answer = await system.operator(part, "/health/ready")
    assert answer.status_code == httpx.codes.OK
    return str(answer.json()["problems"].get("routing", ""))


@pytest.fixture
async def system(own_system: Callable[..., Any]) -> System:
    made: System = await own_system()
    return made


async def test_without_the_binding_of_a_webhooks_event_stripe_is_not_answered_200_and_the_order_is_paid_afterwards(
    system: System,
) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with unbound(system, *SUCCEEDED_AT_PSP):
        body(await system.pay(session, GOOD_CARD), 200)
        sentence = await until(lambda: said(system, ADAPTER), "the adapter says what reaches no queue")
        delivered = await system.webhooks_delivered()
        unpaid = await guest.see(order_id)

    assert "psp.psp-payment-succeeded.v1 reaches no queue" in sentence
    assert "`bellhop broker`" in sentence
    assert not delivered
    assert unpaid["payment_status"] == "unpaid"
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert await said(system, ADAPTER) == ""


async def test_without_the_binding_of_an_event_it_stays_in_its_outbox_and_the_order_is_paid_afterwards(
    system: System,
) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    async with unbound(system, *SUCCEEDED):
        body(await system.pay(session, GOOD_CARD), 200)
        sentence = await until(lambda: said(system, PAYMENTS), "the payment service says what reaches no queue")
        payment = await system.payment_of(order_id)

    assert "payments.payment-succeeded.v1 reaches no queue" in sentence
    assert payment is not None
    assert [sent["kind"] for sent in payment["outbox"]] == ["payments.payment-succeeded.v1"]
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    assert sum((await system.parked()).values()) == 0


async def test_without_the_binding_of_a_command_the_guest_is_refused_and_can_order_afterwards(system: System) -> None:
    guest = system.guest()

    async with unbound(system, *PLACE_ORDER):
        refused = await guest.place(key="one")
        sentence = await said(system, GATEWAY)

    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "orders.place-order.v1 reaches no queue" in sentence
    body(await guest.place(key="one"), 201)
    assert await said(system, GATEWAY) == ""


async def test_an_event_without_a_follower_is_sent_once_while_no_gateway_runs(system: System) -> None:
    guest = system.guest()
    order_id = (await guest.order())["order_id"]
    session = await guest.session(order_id)

    await system.parts[GATEWAY].stop()
    body(await system.pay(session, GOOD_CARD), 200)

    async def confirmed() -> bool:
        document = await system.document(order_id)
        return document is not None and document["state"]["status"] == "confirmed"

    await until(confirmed, "the order is confirmed")
    await until(lambda: sent_in_full(system, order_id), "its outbox is sent")
    retried = [
        await system.counted(part, "bellhop_messages_handled", outcome="retried") for part in (PAYMENTS, ADAPTER)
    ]
    assert retried == [0, 0]
    assert await system.times_logged(order_id, "orders.order-confirmed.v1") == 1
    await system.parts[GATEWAY].start()


async def test_bindings_of_older_versions_that_would_hide_a_missing_one_are_taken_away(system: System) -> None:
    async with system.channel() as channel:
        log = await channel.get_queue(LOG, ensure=False)
        await log.bind("commands", "#")
        await log.bind("events", "#")

        await declare_topology(system.setup.amqp_url)

        for exchange in ("commands", "events"):
            sent_to = await channel.get_exchange(exchange, ensure=False)
            with pytest.raises(PublishError):
                await sent_to.publish(aio_pika.Message(b"{}"), "nothing.is-bound.v1", mandatory=True)


async def sent_in_full(system: System, order_id: str) -> bool:
    document = await system.document(order_id)
    return document is not None and not document["outbox"]
