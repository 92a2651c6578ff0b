"""The queues at a glance: depth, consumers, and problems."""

from collections.abc import Callable
from typing import Any

import aio_pika
import pytest

from chassis.messaging.broker_address import BrokerAddress
from contracts.topology import MARK
from deploy.accounts import declare_topology
from deploy.local.broker import Broker
from deploy.management import Management, quoted
from tests.support.operator import Operator
from tests.support.system import EXTRAS
from tests.support.waiting import until


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(reply_timeout=0.5))


async def look(operator: Operator, *, code: int | None = None) -> dict[str, Any]:
    return {queue["name"]: queue for queue in await operator.json("queues", code=code)}


async def test_a_system_at_rest_needs_no_person(operator: Operator) -> None:
    queues = await look(operator, code=0)

    assert [name for name, queue in queues.items() if queue["problem"]] == []
    assert queues["extras.commands"]["consumers"] == 1


async def test_a_service_that_is_away_shows_as_a_queue_without_consumers_and_its_backlog(operator: Operator) -> None:
    await operator.system.parts[EXTRAS].stop()
    await operator.system.guest().place()

    async def waiting() -> dict[str, Any] | None:
        queue: dict[str, Any] = (await look(operator, code=1))["extras.commands"]
        return queue if queue["messages"] == 1 else None

    queue = await until(waiting, "the command waits")
    assert (queue["consumers"], queue["problem"]) == (0, "no consumer")
    assert queue["oldest"] is not None


async def test_dead_letters_are_counted_also_when_they_were_taken_in(operator: Operator) -> None:
    await operator.park(b"{", "orders.place-order.v1", "extras.commands", "m-1")
    await operator.runs("dead", "list", code=1)

    queues = await look(operator, code=1)

    assert queues["extras.dead"]["messages"] == 1
    assert queues["extras.dead"]["problem"] == "bellhop dead list"
    assert queues["extras.dead"]["oldest"] is not None


async def test_a_message_that_cannot_come_back_from_a_retry_tier_is_shown_as_stuck(
    operator: Operator, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker.management_url is None:
        pytest.skip("the broker of this run has no management API")
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", broker.management_url)
    async with operator.system.channel() as channel:
        tier = await channel.get_exchange("retry.1s", ensure=False)
        await tier.publish(aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), "no.such.queue")

    async def stuck() -> dict[str, Any] | None:
        queue = (await look(operator))["retry.1s"]
        return queue if queue["problem"] else None

    queue = await until(stuck, "the tier is named")
    assert queue["problem"].startswith("1 stuck")
    assert queue["messages"] == 1


async def test_what_differs_from_the_topology_is_named_until_it_is_mended(
    operator: Operator, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broker.management_url
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", broker.management_url)
    async with operator.system.channel() as channel:
        commands = await channel.get_queue("extras.commands", ensure=False)
        await commands.unbind("commands", "orders.place-order.v1")
        spy = await channel.declare_queue("spy", durable=True)
        await spy.bind("events", "payments.#")
        await channel.queue_delete(MARK.name)

    queues = await look(operator, code=1)
    await declare_topology(operator.system.setup.amqp_url)
    async with operator.system.channel() as channel:
        await channel.queue_delete("spy")

    assert queues["extras.commands"]["problem"] == (
        "binding commands: orders.place-order.v1 is missing: bellhop broker"
    )
    assert queues["spy"]["problem"].startswith("bound to events: payments.#, which hides that")
    assert queues[MARK.name]["problem"] == "not declared: bellhop broker"
    assert [name for name, queue in (await look(operator, code=0)).items() if queue["problem"]] == []


async def test_a_policy_that_gives_messages_up_early_is_named(
    operator: Operator, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ takes the lower of a policy's limit and a queue's own; a policy of 20 is what 4.x does by default."""
    assert broker.management_url
    monkeypatch.setenv("BELLHOP_MANAGEMENT_URL", broker.management_url)
    path = f"/api/policies/{quoted(BrokerAddress(operator.system.setup.amqp_url).vhost)}/as-in-4"
    policy = {"pattern": r"\.dead$|^retry\.1s$", "definition": {"delivery-limit": 20}, "apply-to": "queues"}
    Management(broker.management_url).call("PUT", path, policy)

    async def all_named() -> bool:  # the broker applies a policy to one queue after the other
        queues = await look(operator, code=None)
        named = {name for name, queue in queues.items() if "a policy drops messages" in str(queue["problem"])}
        return named >= {"extras.dead", "payments.dead", "psp.dead", "retry.1s"}

    await until(all_named, "the policy is named at each queue that it concerns")
