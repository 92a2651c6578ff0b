"""Webhooks about real orders: over broker, store and HTTP, to a subscriber that an operator has added."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.runtime.metrics import Metrics
from client import calls
from contracts.ids import OrderId
from contracts.order_receipts import ReceiptIssued
from contracts.topology import WEBHOOK_EVENTS
from contracts.webhooks import OrderWebhook, WebhookType
from deploy.local.broker import Broker
from deploy.local.store import Store
from ops.core.dry_run import DryRun, RecordingPublisher
from ops.core.messages import RecordedMessage
from tests.support.desk import Desk
from tests.support.guest import Json, body
from tests.support.operator import Operator, target_of
from tests.support.recorded_commands import queries, recording, scans
from tests.support.system import WEBHOOKS, System, system_on
from tests.support.waiting import until
from tests.support.webhook_receiver import Received, Receiver, webhook_receiver
from webhooks.wiring import Terms, wire

WHY = ("--why", "a test")
KEPT_FOR = timedelta(days=30)


@pytest.fixture(scope="module")
async def system(broker: Broker, store: Store) -> AsyncIterator[System]:
    async with system_on(broker, store, retention=KEPT_FOR) as running:
        yield running


@pytest.fixture
def operator(system: System) -> Operator:
    return Operator(system)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with webhook_receiver() as running:
        yield running


@pytest.fixture
async def subscribed(operator: Operator, receiver: Receiver) -> AsyncIterator[Json]:
    """A subscriber with its secret, which the service knows; removed at the end."""
    added: Json = await operator.json("webhooks", "add", receiver.url, "--property", "alpenhof", *WHY)
    tested = await operator.json("webhooks", "test", added["subscriber_id"])
    assert tested["status"] == "delivered"
    assert receiver.received.pop().verified(added["secret"])["type"] == "webhook.test"
    yield added
    await operator.runs("webhooks", "remove", added["subscriber_id"], "--yes", *WHY)


async def paid(system: System) -> str:
    guest = system.guest()
    order_id: str = (await guest.order())["order_id"]
    body(await system.pay(await guest.session(order_id)), 200)
    return order_id


def about(receiver: Receiver, order_id: str) -> list[Received]:
    return [each for each in receiver.received if order_id.encode() in each.body]


async def heard(receiver: Receiver, order_id: str, number: int = 1) -> list[Received]:
    await until(lambda: len(about(receiver, order_id)) >= number, f"{number} webhooks about {order_id} are received")
    return about(receiver, order_id)


async def test_a_paid_order_and_its_refund_are_reported_with_their_receipts(
    system: System, receiver: Receiver, subscribed: Json
) -> None:
    order_id = await paid(system)
    [confirmed] = [
        OrderWebhook.model_validate(each.verified(subscribed["secret"])) for each in await heard(receiver, order_id)
    ]

    body(await Desk.of(system).refund(order_id, None), 200)
    await until(lambda: "order.refunded" in types(receiver, order_id), "the refund is reported")

    assert (confirmed.type, confirmed.data.status) == (WebhookType.CONFIRMED, "confirmed")
    assert confirmed.data.receipt is not None
    assert confirmed.data.receipt.amount == confirmed.data.total
    refunded = next(
        OrderWebhook.model_validate(each.verified(subscribed["secret"]))
        for each in about(receiver, order_id)
        if json.loads(each.body)["type"] == "order.refunded"
    )
    assert refunded.data.receipt is not None
    assert refunded.data.receipt.amount == confirmed.data.total
    assert refunded.data.order_version > confirmed.data.order_version


def types(receiver: Receiver, order_id: str) -> list[str]:
    return [json.loads(each.body)["type"] for each in about(receiver, order_id)]


async def test_a_service_that_is_killed_again_and_again_loses_nothing(
    system: System, receiver: Receiver, subscribed: Json
) -> None:
    receiver.behaviours[:] = [500, "close", 500]
    orders = []
    for number in range(4):
        orders.append(await paid(system))
        if number % 2:
            await system.parts[WEBHOOKS].stop()
            await system.parts[WEBHOOKS].start()

    for order_id in orders:
        await heard(receiver, order_id)
    by_order = {order_id: {each.webhook_id for each in about(receiver, order_id)} for order_id in orders}
    assert all(len(ids) == 1 for ids in by_order.values())
    assert all(each.is_signed_with(subscribed["secret"]) for each in receiver.received)


@pytest.mark.usefixtures("subscribed")
async def test_a_replayed_event_sends_nothing_twice_also_when_its_webhook_is_deleted_by_age(
    system: System, receiver: Receiver
) -> None:
    order_id = await paid(system)
    await heard(receiver, order_id)
    log = [RecordedMessage.of(message) for message in await system.log() if order_id.encode() in message.body]
    event = next(message for message in log if message.kind == ReceiptIssued.wire_kind())

    later, store = datetime.now(UTC) + KEPT_FOR + timedelta(minutes=1), target_of(system).store(Metrics("tests"))
    parts = wire(RecordingPublisher(), store, lambda: later, Terms(keep_for=KEPT_FOR))

    async def is_deleted() -> bool:  # once the answer is written down
        await parts.retention.sweep()
        return await parts.collections.feeds_of(OrderId(order_id)) == []

    try:
        known = await DryRun(store).forecast(event, WEBHOOK_EVENTS.name)
        with recording() as sent:
            await until(is_deleted, "what was sent is deleted by age")
            asked = [each for each in sent.named("find") if "state.over_since" in each["filter"]]
        deleted = await DryRun(store, clock=lambda: later).forecast(event, WEBHOOK_EVENTS.name)
    finally:
        store.close()

    assert str(known) == "ignored: it was delivered already, nothing is sent"
    assert str(deleted).startswith("ignored: too old")
    with MongoClient[dict[str, Any]](system.setup.mongodb_url, tz_aware=True) as client:
        assert asked
        assert not scans(client[system.setup.database], asked[0])


async def test_a_trace_has_the_webhooks_of_an_order_among_its_steps(
    system: System, operator: Operator, receiver: Receiver, subscribed: Json
) -> None:
    receiver.behaviours[:] = [500]
    order_id = await paid(system)
    await heard(receiver, order_id, 2)
    name = f"webhooks to {subscribed['subscriber_id']}"

    async def delivered() -> Any:
        story = await operator.json("trace", order_id)
        return story if "delivered" in story["summary"].get(name, "") else None

    story = await until(delivered, "the trace has the answer")
    said = (await operator.runs("trace", order_id)).said

    assert story["summary"][name] == "order.confirmed delivered after 2 attempts: answered 200"
    steps = [each for each in story["steps"] if each["sender"] == "webhooks"]
    assert [each["what"].removeprefix(f"{name}: order.confirmed ") for each in steps] == [
        "waiting",
        "being sent, attempt 1",
        "waiting after 1 attempt: answered 500",
        "being sent, attempt 2",
        "delivered after 2 attempts: answered 200",
    ]
    first = story["steps"][steps[0]["cause"] - 1]
    assert first["message_kind"] == ReceiptIssued.wire_kind()
    assert [each["cause"] for each in steps[1:]] == [each["number"] for each in steps[:-1]]
    assert subscribed["secret"] not in said + str(story)
    assert "k-1" not in said + str(story)


async def test_an_operator_sees_what_was_sent_and_has_it_sent_again_after_a_plan(
    system: System, operator: Operator, receiver: Receiver, subscribed: Json
) -> None:
    order_id = await paid(system)
    [first] = await heard(receiver, order_id)

    async def listed() -> Any:
        [delivery] = await operator.json("webhooks", "deliveries", "--order", order_id)
        return delivery if delivery["status"] == "delivered" else None

    delivery = await until(listed, "the answer is written down")
    named = (delivery["webhook_id"], "--order", order_id, *WHY)
    plan = await operator.json("webhooks", "send-again", *named, "--dry-run")
    assert len(about(receiver, order_id)) == 1
    after = await operator.json("webhooks", "send-again", *named, "--yes")

    assert plan["is_as_before"] is True
    assert plan["now"] == json.loads(first.body)
    assert (after["status"], after["deliveries"]) == ("delivered", 2)
    second = about(receiver, order_id)[1]
    assert (second.webhook_id, second.body != b"") == (first.webhook_id, True)
    refused = await operator.runs("webhooks", "settle", *named, code=2)
    assert "there is nothing to decide" in refused.said


async def test_staff_see_what_was_sent_for_their_property_alone_and_it_is_found_by_indexes(
    system: System, receiver: Receiver, subscribed: Json
) -> None:
    order_id = await paid(system)
    await heard(receiver, order_id)

    async def is_answered() -> Json | None:
        seen: Json = body(await Desk.of(system).answer(calls.list_property_webhooks(order_id)), 200)
        return seen if [each["status"] for each in seen["deliveries"]] == ["delivered"] else None

    seen = await until(is_answered, "the answer is written down")
    with recording() as sent:
        page: Json = body(await Desk.of(system).answer(calls.list_property_webhooks(limit=1)), 200)
        foreign = body(await Desk.of(system, "kamogawa").answer(calls.list_property_webhooks(order_id)), 200)

    [own] = [each for each in page["subscribers"] if each["subscriber_id"] == subscribed["subscriber_id"]]
    assert (own["condition"], own["address"]) == ("enabled", receiver.url.partition("?")[0] + "?…")
    assert seen["deliveries"][0]["said"] == "answered 200"
    assert page["deliveries"] == seen["deliveries"]
    assert (page["next"] is None, foreign["deliveries"], foreign["subscribers"]) == (False, [], [])
    asked = queries(sent, system.setup.database, besides=())
    assert {next(iter(command.values())) for command in asked} >= {"webhook_feeds", "webhook_subscribers"}
    with MongoClient[dict[str, Any]](system.setup.mongodb_url, tz_aware=True) as client:
        assert not [command for command in asked if scans(client[system.setup.database], command)]


async def test_a_subscriber_is_managed_and_its_secret_is_shown_once(
    system: System, operator: Operator, receiver: Receiver, subscribed: Json
) -> None:
    name, secret = subscribed["subscriber_id"], subscribed["secret"]

    shown = await operator.runs("webhooks", "show", name)
    listed = await operator.runs("webhooks", "list", "--json")
    rotated = await operator.json("webhooks", "rotate-secret", name, *WHY)
    await operator.runs("webhooks", "test", name)
    await operator.runs("webhooks", "disable", name, *WHY)
    refused = await operator.runs("webhooks", "test", name, code=2)
    await operator.runs("webhooks", "enable", name, *WHY)

    assert secret not in shown.said + listed.said
    assert "k-1" not in shown.said + listed.said
    assert receiver.received[-1].is_signed_with(secret)
    assert receiver.received[-1].is_signed_with(rotated["secret"])
    assert "enable it first" in refused.said
    audit = (await operator.runs("audit-log", "--json")).said
    assert "webhooks rotate-secret" in audit
    assert rotated["secret"] not in audit
    stored = json.dumps([each async for each in system.documents["webhook_subscribers"].find()], default=str)
    assert secret not in stored
    assert rotated["secret"] not in stored


@pytest.mark.parametrize("url", ["http://user:pw@127.0.0.1/", "ftp://pms.example/", "https://pms.example/#x"])
async def test_an_address_that_no_webhook_may_go_to_is_not_taken(operator: Operator, url: str) -> None:
    refused = await operator.runs("webhooks", "add", url, "--property", "alpenhof", *WHY, code=2)

    assert "No webhook is sent to that address" in refused.said


async def test_a_property_that_is_not_there_has_no_subscribers(operator: Operator) -> None:
    refused = await operator.runs("webhooks", "add", "https://pms.example/", "--property", "alpenhoff", *WHY, code=2)

    assert "There is no property alpenhoff" in refused.said
    assert await operator.json("webhooks", "list", "--property", "alpenhoff") == []
