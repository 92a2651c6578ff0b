"""The node that leads the message log's stream hangs: orders flow on over the other two, and the log names its gap."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from chassis.messaging.amqp import connection_for_tools
from contracts.topology import LOG, QUEUES
from deploy.local.store import Store
from tests.chaos.cluster import ADDRESSES, Cluster, cluster_behind_a_door
from tests.support.guest import body
from tests.support.log_health import gaps, missed, problems, recovered
from tests.support.outages import frozen_process
from tests.support.system import EXTRAS, SERVICES, Setup, System
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.timeout(1800)

ORDERS = 5
LEADER, *OTHERS = ADDRESSES


@pytest.fixture
async def cluster_and_system(store: Store, tmp_path: Path) -> AsyncIterator[tuple[Cluster, System]]:
    if os.environ.get("BELLHOP_AMQP_URL"):
        pytest.skip("BELLHOP_AMQP_URL is set: that broker is not ours to freeze")
    async with cluster_behind_a_door(tmp_path, OTHERS) as (cluster, url):
        await lead_the_log(cluster.url_at(cluster.amqp, LEADER))
        system = System(Setup(amqp_url=url, mongodb_url=store.url, database=f"frozen-log-{uuid.uuid4().hex[:8]}"))
        try:
            await system.start()
            yield cluster, system
        finally:
            await system.stop()


async def lead_the_log(url: str) -> None:
    """Declare the stream, and nothing else, at one node: there its leader is."""
    queue = next(queue for queue in QUEUES if queue.name == LOG)
    async with await connection_for_tools(url, "the log first", timeout=PATIENCE) as connection:
        channel = await connection.channel()
        await channel.declare_queue(LOG, durable=True, arguments={"x-queue-type": queue.type.value, **queue.arguments})


async def paid_order(system: System) -> str:
    guest = system.guest()
    order_id = str((await guest.order())["order_id"])
    body(await system.pay(await guest.session(order_id)), 200)
    await guest.sees(order_id, status="confirmed", payment_status="paid")
    return order_id


async def test_orders_flow_on_while_the_streams_leader_is_frozen_and_the_log_names_its_gap(
    cluster_and_system: tuple[Cluster, System],
) -> None:
    cluster, system = cluster_and_system
    before = await paid_order(system)

    with frozen_process(cluster.nodes[LEADER].pid):
        paid = [await paid_order(system) for _ in range(ORDERS)]
        await until(lambda: names_its_gap(system), "a service says what is missing from the log")
        paid.append(await paid_order(system))
    for part in SERVICES:
        await until(partial(recovered, system, part), f"{part} writes the log again", within=2 * PATIENCE)
    after = await paid_order(system)

    assert len({before, *paid, after}) == ORDERS + 3
    named = await until(lambda: gaps(system), "the log says what it misses")
    assert {"extras-service"} <= {gap.service for gap in named}
    assert sum(gap.count for gap in named if gap.service == "extras-service") == await missed(system)
    await until(partial(in_log, system, after), "the log is complete again")
    assert await system.parked() == dict.fromkeys(await system.parked(), 0)


async def about_the_log(system: System) -> str:
    return (await problems(system, EXTRAS)).get("log", "")


async def names_its_gap(system: System) -> bool:
    return (await about_the_log(system)).endswith("messages are missing from it. Orders go on without it.")


async def in_log(system: System, order_id: str) -> bool:
    return (await system.log_of(order_id))["orders.order-confirmed.v1"] > 0


async def test_a_log_whose_node_is_gone_stops_no_service_from_starting(store: Store, tmp_path: Path) -> None:
    if os.environ.get("BELLHOP_AMQP_URL"):
        pytest.skip("BELLHOP_AMQP_URL is set: that broker is not ours to stop")
    async with cluster_behind_a_door(tmp_path, OTHERS) as (cluster, url):
        async with await connection_for_tools(cluster.url_at(cluster.amqp, LEADER), "a log", timeout=PATIENCE) as there:
            await (await there.channel()).declare_queue(
                LOG, durable=True
            )  # a classic queue: on this node, and no other
        await asyncio.to_thread(cluster.nodes[LEADER].stop)
        system = System(Setup(amqp_url=url, mongodb_url=store.url, database=f"log-gone-{uuid.uuid4().hex[:8]}"))
        try:
            await system.start()

            await paid_order(system)

            said = await until(lambda: about_the_log(system), "a service says that the log is not written")
            assert "NO_ROUTE" in said
        finally:
            await system.stop()
