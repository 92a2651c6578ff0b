"""What can never be handled is parked at once, with everything an operator needs; what a crash left unsent is sent."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from tests.support.guest import Guest, Json
from tests.support.system import System
from tests.support.waiting import until

UNKNOWN_ORDER = "ord_" + "b" * 26


async def publish(system: System, exchange: str, routing_key: str, content: bytes, **properties: Any) -> str:
    """A message as another sender would publish it. Returns its id."""
    message_id = f"tests-{uuid.uuid4().hex}"
    usual: Json = {
        "message_id": message_id,
        "correlation_id": "tests-correlation",
        "type": routing_key,
        "content_type": "application/json",
        "user_id": system.login,
        "delivery_mode": 2,
        "timestamp": datetime(2027, 1, 1, tzinfo=UTC),
        "headers": {"attempt": 1, "causation_id": "tests-cause", "traceparent": "00-11-22-01"},
    }
    async with system.channel() as channel:
        target = await channel.get_exchange(exchange, ensure=False)
        await target.publish(aio_pika.Message(content, **(usual | properties)), routing_key)
    return message_id


@asynccontextmanager
async def parking_in(system: System, queue: str) -> AsyncIterator[list[AbstractIncomingMessage]]:
    """The one message that the block makes the service park; taken away again."""
    parked: list[AbstractIncomingMessage] = []
    assert await system.depth(queue) == 0
    yield parked
    parked.append(await system.take(queue))
    assert await system.depth(queue) == 0


async def test_a_message_that_breaks_an_invariant_is_parked_with_its_whole_story(system: System) -> None:
    fact = {"order_id": UNKNOWN_ORDER, "payment_id": "pay_x", "amount": {"amount": 1, "currency": "EUR"}}
    kind = "payments.payment-succeeded.v1"
    content = json.dumps(fact | {"kind": kind}).encode()

    async with parking_in(system, "extras.dead") as parked:
        message_id = await publish(system, "events", kind, content)

    [dead] = parked
    assert dead.body == content
    assert (dead.message_id, dead.correlation_id, dead.type) == (message_id, "tests-correlation", kind)
    assert (dead.delivery_mode, dead.content_type) == (2, "application/json")
    assert dead.timestamp == datetime(2027, 1, 1, tzinfo=UTC)
    headers = dead.headers
    assert headers["origin_queue"] == "extras.payments"
    assert headers["origin_exchange"] == "events"
    assert headers["origin_routing_key"] == kind
    assert headers["attempt"] == 1
    assert headers["error_type"] == "UnknownOrderError"
    assert UNKNOWN_ORDER in str(headers["error"])
    assert headers["first_failed_at"] == headers["last_failed_at"]
    assert datetime.fromisoformat(str(headers["last_failed_at"])) <= datetime.now(UTC)
    assert headers["service_version"]
    assert (headers["causation_id"], headers["traceparent"]) == ("tests-cause", "00-11-22-01")
    assert await system.document(UNKNOWN_ORDER) is None


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"{}", b'{"order_id": 5}', b"\xff\xfe\x00"])
async def test_a_body_that_does_not_parse_is_parked_at_once(system: System, content: bytes) -> None:
    async with parking_in(system, "extras.dead") as parked:
        await publish(system, "commands", "orders.place-order.v1", content)

    [dead] = parked
    assert dead.body == content
    assert dead.headers["error_type"] == "MalformedMessageError"
    assert dead.headers["origin_queue"] == "extras.commands"
    assert dead.headers["attempt"] == 1


async def test_a_message_of_an_unknown_kind_is_parked_at_once(system: System) -> None:
    async with parking_in(system, "extras.dead") as parked:
        await publish(system, "commands", "orders.place-order.v1", b"{}", type="orders.order-starred.v1")

    assert parked[0].headers["error_type"] == "UnknownKindError"


async def test_a_message_with_a_nonsensical_attempt_does_not_block_the_queue(system: System, guest: Guest) -> None:
    async with parking_in(system, "extras.dead") as parked:
        await publish(system, "commands", "orders.place-order.v1", b"{}", headers={"attempt": "many"})

    assert parked[0].body == b"{}"
    assert await system.depth("extras.commands") == 0


async def test_a_message_without_any_properties_is_parked_at_once(system: System) -> None:
    async with system.channel() as channel:
        target = await channel.get_exchange("commands", ensure=False)

        async with parking_in(system, "extras.dead") as parked:
            await target.publish(aio_pika.Message(b"{}"), "orders.place-order.v1")

    assert parked[0].headers["error_type"] == "UnknownKindError"


async def test_what_a_crash_left_in_an_outbox_is_sent_by_the_relay(system: System, guest: Guest) -> None:
    template = await system.document((await guest.order())["order_id"])
    assert template is not None
    order_id = "ord_" + uuid.uuid4().hex[:26].translate(str.maketrans("0189", "abcd"))
    document = json.loads(json.dumps(template, default=str).replace(template["_id"], order_id))
    pending = {
        "kind": "orders.order-expired.v1",
        "order_id": order_id,
        "guest_id": guest.guest_id,
        "property_id": "alpenhof",
    }
    left_behind = {
        "id": f"{order_id}.1.0",
        "kind": pending["kind"],
        "body": json.dumps(pending),
        "correlation_id": "tests-correlation",
        "causation_id": "tests-cause",
        "traceparent": None,
        "to": None,
    }
    moment = datetime.now(UTC)
    unsent = {"outbox": [left_behind], "unsent_since": moment - timedelta(seconds=3), "updated_at": moment}

    await system.documents["orders"].insert_one(document | unsent | {"due_at": moment + timedelta(hours=1)})

    sent = await until(lambda: logged(system, f"{order_id}.1.0"), "the relay has sent it")
    assert (sent[0].type, sent[0].correlation_id) == (pending["kind"], "tests-correlation")
    assert sent[0].headers["causation_id"] == "tests-cause"
    await until(lambda: is_cleared(system, order_id), "the outbox is cleared")
    assert len(await logged(system, f"{order_id}.1.0")) == 1


async def logged(system: System, message_id: str) -> list[AbstractIncomingMessage]:
    return [message for message in await system.log() if message.message_id == message_id]


async def is_cleared(system: System, order_id: str) -> bool:
    document = await system.document(order_id)
    return document is not None and document["outbox"] == [] and "unsent_since" not in document
