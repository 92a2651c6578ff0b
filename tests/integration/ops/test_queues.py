"""The queues at a glance: what waits, who consumes, and what needs somebody."""

from collections.abc import Callable
from typing import Any

import aio_pika
import pytest

from deploy.local.broker import Broker
from tests.integration.flow.system import EXTRAS
from tests.integration.flow.waiting import until
from tests.integration.ops.operator import Operator


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system(reply_timeout=0.5))


async def look(operator: Operator, *, code: int | None = None) -> dict[str, Any]:
    return {queue["name"]: queue for queue in await operator.json("queues", code=code)}


async def test_a_system_at_rest_needs_nobody(operator: Operator) -> None:
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
    assert (queue["consumers"], queue["problem"]) == (0, "nobody consumes it")
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
