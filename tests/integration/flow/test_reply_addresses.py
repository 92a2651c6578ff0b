"""A reply address without an owner: the request is carried out, the reply dropped, and nothing else is held up."""

from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from chassis.messaging.broker_address import BrokerAddress
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Envelope
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId
from contracts.orders import StartPayment
from deploy.local.broker import Broker
from tests.support.accounts import accounts_at
from tests.support.examples import sample
from tests.support.guest import Guest, body
from tests.support.system import EXTRAS, GATEWAY, System
from tests.support.waiting import PATIENCE, until

REPLY = sample("orders.order-reply.v1")
EVENT = sample("orders.order-confirmed.v1")
UNREACHABLE = "extras.commands"


@pytest.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    """The extras service's bus, with the account it has in production."""
    url = broker.new_vhost("reply-addresses")
    addresses = await accounts_at(broker, url)
    if not addresses:
        pytest.skip("this broker has no management API to make accounts with")
    bus = Bus(
        addresses[EXTRAS],
        "extras-service",
        Metrics(EXTRAS),
        publish_timeout=PATIENCE,
        graceful_timeout=1,
        declares=False,
    )
    await bus.start()
    yield bus
    await bus.stop()
    broker.drop_vhost("reply-addresses")


def reply_to(address: str, number: int) -> Envelope:
    return Envelope(REPLY, f"reply-{number}", f"request-{number}", to=address)


def dropped(bus: Bus) -> float:
    return bus._metrics.registry.get_sample_value("bellhop_replies_dropped_total", {"service": EXTRAS}) or 0


async def test_a_refused_reply_closes_no_channel_that_messages_leave_on(bus: Bus) -> None:
    await bus.publish(Envelope(EVENT, "before", "c-1"))
    shared = await bus.broker.config.channel_manager.get_channel()
    inside = await shared.get_underlay_channel()

    await bus.publish(reply_to(UNREACHABLE, 1))

    assert await until(lambda: dropped(bus) >= 1, "the refused reply is counted")
    await bus.publish(Envelope(EVENT, "after", "c-2"))
    assert not inside.is_closed


async def test_replies_go_on_after_one_was_refused(bus: Bus, broker: Broker) -> None:
    address = "gateway.replies.5d0c4f2ab7e14e6f"
    answered: list[str | None] = []
    async with await aio_pika.connect(BrokerAddress(broker.url).for_vhost("reply-addresses").url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(address, exclusive=True)
        await queue.bind("replies", address)

        async def keep(message: AbstractIncomingMessage) -> None:
            answered.append(message.correlation_id)

        await queue.consume(keep, no_ack=True)

        await bus.publish(reply_to(UNREACHABLE, 1))
        await until(lambda: dropped(bus) >= 1, "the refused reply is counted")
        await bus.publish(reply_to(address, 2))

        assert await until(lambda: answered, "the next reply arrives") == ["request-2"]


async def test_an_order_whose_payment_was_asked_for_with_a_foreign_address_goes_on(
    system: System, guest: Guest
) -> None:
    order = await guest.order()
    command = StartPayment(
        order_id=OrderId(order["order_id"]),
        guest_id=guest.guest_id,
        property_id=guest.property_id,
    )
    message = aio_pika.Message(
        command.to_wire(),
        type=command.kind,
        message_id="broken-into",
        correlation_id="broken-into",
        reply_to=UNREACHABLE,
        user_id=system.login,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    async with system.channel() as channel:
        commands = await channel.get_exchange("commands", ensure=False)
        await commands.publish(message, command.kind)

    async def opened() -> bool:
        document = await system.document(order["order_id"])
        return document is not None and document["state"]["session"] is not None

    await until(opened, "the session is open")
    session = body(await guest.ask_for_session(order["order_id"]), 201)
    await system.pay(session)
    await guest.sees(order["order_id"], status="confirmed")
    document = await system.document(order["order_id"])
    assert document is not None
    assert document["state"]["waiting"] == []
    assert (await system.operator(EXTRAS, "/health/ready")).status_code == 200
    assert (await system.operator(GATEWAY, "/health/ready")).status_code == 200


async def test_an_address_kept_from_before_holds_up_nothing_of_its_order(system: System, guest: Guest) -> None:
    # As a document has it that was written before addresses were checked.
    order_id = (await guest.order())["order_id"]
    pending_reply = {"reply_to": UNREACHABLE, "correlation_id": "old"}
    await system.documents["orders"].update_one(
        {"_id": order_id}, {"$set": {"state.waiting": [pending_reply]}, "$inc": {"version": 1}}
    )

    async def session() -> dict[str, str] | None:
        # The refused reply closes the channel of replies, and may take the guest's with it.
        answer = await guest.ask_for_session(order_id)
        return answer.json() if answer.status_code == 201 else None

    await system.pay(await until(session, "the session is open"))

    await guest.sees(order_id, status="confirmed")

    async def sent() -> bool:
        document = await system.document(order_id)
        return document is not None and document["outbox"] == []

    assert await until(sent, "the order's outbox is empty")
