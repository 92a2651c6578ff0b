"""What a service that was broken into can write into headers, and how far it gets: into a dead queue.

RabbitMQ routes a message by its headers CC and BCC as well, and checks the sender's rights for the routing key alone.
"""

import json
import uuid
from typing import Any

import pytest

from contracts.payments import PaymentSucceeded
from contracts.psp import CreatePspRefund
from tests.integration.flow.guest import Guest
from tests.integration.flow.raw_amqp import array, long, publish_raw, short, table
from tests.integration.flow.system import ADAPTER, EXTRAS, GATEWAY, System
from tests.integration.flow.waiting import until
from tests.integration.money.desk import paid_order
from tests.integration.ops.operator import Operator

PLACE = "orders.place-order.v1"
ROUTING_HEADERS = ("CC", "BCC")


async def forge(
    system: System, part: str, exchange: str, key: str, kind: str, body: dict[str, Any], **headers: bytes
) -> str:
    """A message as somebody with a service's password would send it. Returns its id."""
    message_id = f"forged-{uuid.uuid4().hex}"
    properties = {
        "type": short(kind),
        "message_id": short(message_id),
        "correlation_id": short("c"),
        "user_id": short(part.replace("_", "-")),
        "headers": table(*headers.items()),
    }
    content = json.dumps({"kind": kind, **body}).encode()
    assert await publish_raw(system.setup.accounts[part], exchange, key, content, **properties)
    return message_id


@pytest.mark.parametrize("header", ROUTING_HEADERS)
async def test_the_gateway_makes_no_refund_at_the_psp(system: System, guest: Guest, header: str) -> None:
    order_id = await paid_order(system, guest)
    [intent] = await system.intents(order_id)
    refund: dict[str, Any] = {
        "order_id": order_id,
        "payment_id": "pay_" + order_id[4:],
        "refund_id": f"ref_forged_{header}",
        "psp_reference": intent["id"],
        "amount": {"amount": 1000, "currency": "EUR"},
    }
    kind = CreatePspRefund.wire_kind()

    await forge(system, GATEWAY, "commands", PLACE, kind, refund, **{header: array(long(kind))})

    at_adapter, at_extras = await system.take("psp.dead"), await system.take("extras.dead")
    assert at_adapter.headers["error_type"] == "MisroutedMessageError"
    assert at_adapter.headers["sent_by"] == "gateway"
    assert at_extras.headers["error_type"] == "MisroutedMessageError"
    for dead in (at_adapter, at_extras):
        assert header not in dead.headers
    refunds = await system.at_psp("refunds", payment_intent=intent["id"])
    assert refunds["data"] == []


@pytest.mark.parametrize("header", ROUTING_HEADERS)
async def test_the_adapter_sends_no_command_of_staff_by_way_of_a_retry(
    system: System, guest: Guest, header: str
) -> None:
    order_id = await paid_order(system, guest)
    refund: dict[str, Any] = {
        "order_id": order_id,
        "staff": {"staff_id": "nobody", "property_id": "alpenhof"},
        "refund_id": f"ref_by_adapter_{header}",
        "amount": {"amount": 100, "currency": "EUR"},
        "reason": "x",
    }
    origin = {"origin_queue": long("extras.commands"), "origin_exchange": long("commands")}
    origin |= {"origin_routing_key": long("orders.refund-order.v1"), header: array(long("extras.commands"))}

    await forge(system, ADAPTER, "retry.1s", "psp.commands", "orders.refund-order.v1", refund, **origin)

    at_extras, at_adapter = await system.take("extras.dead"), await system.take("psp.dead")
    assert at_extras.headers["error_type"] == "MisroutedMessageError"
    assert at_adapter.headers["error_type"] == "MisroutedMessageError"
    order = await system.document(order_id)
    assert order is not None
    assert order["state"]["status"] == "confirmed"
    assert not order["state"].get("refunds")


@pytest.mark.parametrize("header", ROUTING_HEADERS)
async def test_an_operators_replay_of_a_forged_message_confirms_no_order(own_system: Any, header: str) -> None:
    system: System = await own_system()
    operator, guest = Operator(system), system.guest()
    order = await guest.order()
    fact = {
        "order_id": order["order_id"],
        "payment_id": "pay_" + order["order_id"][4:],
        "amount": {"amount": 4800, "currency": "EUR"},
    }
    kind = PaymentSucceeded.wire_kind()
    await forge(system, GATEWAY, "commands", PLACE, kind, fact, **{header: array(long("extras.payments"))})
    await until(lambda: _is_parked(system), "the forged message is dead-lettered")

    replayed = await operator.json("dead", "replay", "--order", order["order_id"], "--why", "x", "--yes", code=None)

    assert (replayed["sent"], replayed["skipped"]) == (0, 1)
    assert (await guest.see(order["order_id"]))["status"] == "pending_payment"
    (letter,) = await operator.json("dead", "list", code=1)
    assert letter["error_type"] == "MisroutedMessageError"


async def test_a_header_that_was_parked_before_is_not_sent_by_a_replay(own_system: Any) -> None:
    """A letter of an older version still has its CC."""
    system: System = await own_system()
    operator = Operator(system)
    body = b'{"kind": "orders.place-order.v1"}'
    headers = table(("CC", array(long("extras.payments"))), ("origin_queue", long("extras.commands")))
    assert await publish_raw(
        system.setup.amqp_url, "dead", "extras.dead", body, type=short(PLACE), headers=headers, message_id=short("m-1")
    )

    await operator.json("dead", "replay", "--why", "x", "--yes", code=None)

    assert await system.depth("extras.payments") == 0
    again = await operator.json("dead", "list", code=1)
    assert {letter["error_type"] for letter in again} == {"MalformedMessageError"}
    shown = [await operator.json("dead", "show", letter["letter_id"]) for letter in again]
    assert all("CC" not in letter["message"]["headers"] for letter in shown)


@pytest.mark.parametrize("user_id", [None, "extras-service"])
async def test_a_sender_cannot_hide_or_borrow_an_account(system: System, user_id: str | None) -> None:
    properties = {"type": short(PLACE), "message_id": short("m-1")} | ({"user_id": short(user_id)} if user_id else {})

    try:
        confirmed = await publish_raw(system.setup.accounts[GATEWAY], "commands", PLACE, b"{}", **properties)
    except ConnectionError:
        confirmed = False

    if user_id is None:
        assert (await system.take("extras.dead")).headers["error_type"] == "UntrustedSenderError"
    else:
        assert not confirmed, "the broker refuses a user_id that is not the connection's"
        assert await system.depth("extras.dead") == 0


async def test_a_retry_that_names_another_origin_is_refused(system: System) -> None:
    await forge(system, EXTRAS, "retry.1s", "extras.payments", PaymentSucceeded.wire_kind(), {})

    dead = await system.take("extras.dead")

    assert dead.headers["error_type"] == "MisroutedMessageError"
    assert "straight to the queue" in str(dead.headers["error"])


async def _is_parked(system: System) -> bool:
    return await system.depth("extras.dead") > 0
