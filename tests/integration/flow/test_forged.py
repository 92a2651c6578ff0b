"""What a service that was broken into can write into headers, and how far it gets: into a dead queue.

RabbitMQ routes a message by its headers CC and BCC as well. Before 4.3 it checks the sender's rights for the routing
key alone. The operator's account stands for a sender whom no right stops.
"""

import json
import uuid
from typing import Any

import pytest

from chassis.messaging.broker_address import BrokerAddress
from contracts.payments import PaymentSucceeded
from contracts.psp import CreatePspRefund
from tests.support.desk import paid_order
from tests.support.guest import Guest
from tests.support.operator import Operator
from tests.support.raw_amqp import array, long, publish_raw, short, table
from tests.support.system import ADAPTER, EXTRAS, GATEWAY, System
from tests.support.waiting import until

PLACE = "orders.place-order.v1"
OPERATOR = "operator"
ROUTING_HEADERS = ("CC", "BCC")


async def forge(
    system: System, part: str, exchange: str, key: str, kind: str, body: dict[str, Any], **headers: bytes
) -> bool:
    """A message as an attacker with a service's password would send it. False if the broker refuses it."""
    url = system.setup.accounts.get(part, system.setup.amqp_url)
    properties = {
        "type": short(kind),
        "message_id": short(f"forged-{uuid.uuid4().hex}"),
        "correlation_id": short("c"),
        "user_id": short(BrokerAddress(url).login),
        "headers": table(*headers.items()),
    }
    content = json.dumps({"kind": kind, **body}).encode()
    return await publish_raw(url, exchange, key, content, **properties)


async def is_refused(system: System, dead_queue: str) -> bool:
    """Whether the next dead letter there came another way than it says; taken away."""
    dead = await system.take(dead_queue)
    return dead.headers["error_type"] == "MisroutedMessageError" and not set(dead.headers) & set(ROUTING_HEADERS)


@pytest.mark.parametrize("part", [GATEWAY, OPERATOR])
@pytest.mark.parametrize("header", ROUTING_HEADERS)
async def test_no_refund_is_made_at_the_psp(system: System, guest: Guest, part: str, header: str) -> None:
    order_id = await paid_order(system, guest)
    [intent] = await system.intents(order_id)
    refund: dict[str, Any] = {
        "order_id": order_id,
        "payment_id": "pay_" + order_id[4:],
        "refund_id": f"ref_forged_{part}_{header}",
        "psp_reference": intent["id"],
        "amount": {"amount": 1000, "currency": "EUR"},
    }
    kind = CreatePspRefund.wire_kind()

    is_sent = await forge(system, part, "commands", PLACE, kind, refund, **{header: array(long(kind))})

    assert is_sent or part == GATEWAY, "RabbitMQ 4.3 asks for the right to each of these keys"
    if is_sent:
        assert await is_refused(system, "psp.dead")
        assert await is_refused(system, "extras.dead")
    refunds = await system.at_psp("refunds", payment_intent=intent["id"])
    assert refunds["data"] == []


@pytest.mark.parametrize("part", [ADAPTER, OPERATOR])
@pytest.mark.parametrize("header", ROUTING_HEADERS)
async def test_no_command_of_staff_comes_by_way_of_a_retry(
    system: System, guest: Guest, part: str, header: str
) -> None:
    order_id = await paid_order(system, guest)
    refund: dict[str, Any] = {
        "order_id": order_id,
        "staff": {"staff_id": "forged", "property_id": "alpenhof"},
        "refund_id": f"ref_by_{part}_{header}",
        "amount": {"amount": 100, "currency": "EUR"},
        "reason": "x",
    }
    origin = {"origin_queue": long("extras.commands"), "origin_exchange": long("commands")}
    origin |= {"origin_routing_key": long("orders.refund-order.v1"), header: array(long("extras.commands"))}

    is_sent = await forge(system, part, "retry.1s", "psp.commands", "orders.refund-order.v1", refund, **origin)

    if is_sent:
        assert await is_refused(system, "extras.dead")
        assert await is_refused(system, "psp.dead")
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
    assert await forge(system, OPERATOR, "commands", PLACE, kind, fact, **{header: array(long("extras.payments"))})
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
    assert await forge(system, EXTRAS, "retry.1s", "extras.payments", PaymentSucceeded.wire_kind(), {})

    dead = await system.take("extras.dead")

    assert dead.headers["error_type"] == "MisroutedMessageError"
    assert "straight to the queue" in str(dead.headers["error"])


async def _is_parked(system: System) -> bool:
    return await system.depth("extras.dead") > 0
