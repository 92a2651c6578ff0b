"""Messages that the client library cannot decode: parked with their reason, while everything beside them goes on."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.raw_amqp import MICROSECONDS, long, publish_raw, short, table
from tests.support.system import EXTRAS, GATEWAY, System
from tests.support.waiting import until

PLACE = "orders.place-order.v1"
CASES: dict[str, dict[str, bytes]] = {
    "a timestamp in microseconds": {"timestamp": MICROSECONDS},
    "a timestamp before 1970": {"timestamp": b"\xff" * 8},
    "a header with a time in microseconds": {"headers": table(("when", b"T" + MICROSECONDS))},
    "a header's name that is not UTF-8": {"headers": table((b"Stra\xdfe", long("x")))},
    "an id that is not UTF-8": {"app_id": short(b"\xff\xfe")},
}


def gateway_of(system: System) -> str:
    return system.setup.accounts[GATEWAY]


@pytest.mark.parametrize("case", CASES)
async def test_a_message_that_cannot_be_decoded_is_parked_and_nothing_else_notices(system: System, case: str) -> None:
    body, message_id = uuid.uuid4().hex.encode(), f"poison-{uuid.uuid4().hex}"
    properties = {"type": short(PLACE), "message_id": short(message_id), "user_id": short("gateway"), **CASES[case]}

    assert await publish_raw(gateway_of(system), "commands", PLACE, body, **properties)
    dead = await system.take("extras.dead")
    order = await system.guest().order()

    assert (dead.body, dead.message_id, dead.type) == (body, message_id, PLACE)
    assert dead.headers["error_type"] == "UndecodableMessageError"
    assert dead.headers["undecoded"]
    assert not set(dead.headers) & {"when", "Stra\xdfe"}
    assert order["status"] == "pending_payment"
    ready = await system.operator(EXTRAS, "/health/ready")
    assert ready.status_code == 200


async def test_a_service_that_starts_with_such_a_message_in_its_queue_serves_the_orders_beside_it(
    own_system: Callable[..., Any],
) -> None:
    system: System = await own_system()
    guests = [system.guest() for _ in range(30)]
    await system.parts[EXTRAS].stop()
    placing = [asyncio.ensure_future(guest.order()) for guest in guests]
    await until(lambda: _waiting(system, 30), "thirty orders wait")
    poison = {"headers": table(("when", b"T" + MICROSECONDS)), "type": short(PLACE), "message_id": short("poison")}
    assert await publish_raw(gateway_of(system), "commands", PLACE, **poison)

    await system.parts[EXTRAS].start()
    orders = await asyncio.gather(*placing)

    assert len({order["order_id"] for order in orders}) == 30
    dead = await system.take("extras.dead")
    assert (dead.message_id, dead.headers["error_type"]) == ("poison", "UndecodableMessageError")
    assert await system.depth("extras.dead") == 0


async def _waiting(system: System, messages: int) -> bool:
    return await system.depth("extras.commands") >= messages
