"""Three brokers as one: each is killed once while guests order and pay, and the other two carry on."""

import asyncio
import os
import random
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.store import Store
from tests.chaos.aftermath import Aftermath, come_to_rest
from tests.chaos.cluster import ADDRESSES, Cluster, cluster_behind_a_door
from tests.chaos.conftest import GUESTS, ROUNDS, SEED
from tests.chaos.figures import Figures
from tests.chaos.guests import Crowd
from tests.support.books import FINAL
from tests.support.system import SERVICES, Setup, System
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Failover:
    """What came of killing every node in turn."""

    killed: list[str]
    steps_with_two: list[int]
    """How far guests got while a node was away, for each kill."""
    crowd: Crowd
    aftermath: Aftermath


@pytest.fixture(scope="module")
async def failover(
    store: Store, tmp_path_factory: pytest.TempPathFactory, report: Callable[[Figures], None]
) -> AsyncIterator[Failover]:
    if os.environ.get("BELLHOP_AMQP_URL"):
        pytest.skip("BELLHOP_AMQP_URL is set: that broker is not ours to kill")
    folder = tmp_path_factory.mktemp("cluster")
    chance = random.Random(SEED)  # noqa: S311 - chance for a test, not for a secret
    async with cluster_behind_a_door(folder) as (cluster, url):
        settings = Setup(
            amqp_url=url,
            mongodb_url=store.url,
            database=f"cluster-{uuid.uuid4().hex[:8]}",
            pay_within=timedelta(seconds=12),
            poll_interval_factor=0.005,
            psp_sweep_every=timedelta(seconds=30),
            reply_timeout=3.0,
            publish_timeout=3.0,
        )
        system = System(settings)
        crowd = Crowd(system, chance)
        try:
            await system.start()
            await until(lambda: survives_a_kill(folder), "every node has written down what it holds")
            killed, steps = await kill_each(cluster, crowd, chance)
            aftermath = await come_to_rest(system, None, crowd)
            again = [await system.counted(part, "bellhop_messages_handled", outcome="retried") for part in SERVICES]
        finally:
            await crowd.send_away()
            await system.stop()
        rows: dict[str, object] = {
            "orders acknowledged": len(aftermath.acknowledged),
            "nodes killed": len(killed),
            "guests' steps with two nodes": sum(steps),
            "messages in the log": len(aftermath.log),
            "messages sent again": aftermath.sent_again,
            "messages retried": sum(again),
            "messages parked": len(aftermath.parked),
            "orders lost": len(aftermath.lost),
            "effects doubled": len(aftermath.doubled),
        }
        report(Figures(f"a cluster of three brokers; seed {SEED}", rows))
        yield Failover(killed, steps, crowd, aftermath)


async def kill_each(cluster: Cluster, crowd: Crowd, chance: random.Random) -> tuple[list[str], list[int]]:
    """SIGKILL for one node after the other; each comes back before the next one goes."""
    killed, steps = [], []
    for _ in range(ROUNDS):
        for address in chance.sample(ADDRESSES, len(ADDRESSES)):
            crowd.let_in(GUESTS)
            await crowd.gets_on(chance.randint(1, GUESTS))
            await asyncio.to_thread(cluster.nodes[address].kill)
            before = crowd.steps
            crowd.let_in(GUESTS)
            await crowd.gets_on(GUESTS)
            steps.append(crowd.steps - before)
            await asyncio.to_thread(cluster.nodes[address].start)
            killed.append(address)
    return killed, steps


def survives_a_kill(folder: Path) -> bool:
    """Whether every node would find its queues and streams again, see `until_streams_survive_a_kill`."""
    for address in ADDRESSES:
        data = folder / f"node-{address}" / "data"
        streams = [file.read_bytes() for file in data.glob("*/coordination/*/names.dets")]
        queues = [file.read_bytes() for file in data.glob("*/quorum/*/names.dets")]
        if not any(b"rabbit_stream_coordinator" in names for names in streams):
            return False
        if not any(b"psp.dead" in names for names in queues):
            return False
    return True


def test_guests_get_on_while_any_one_node_is_away(failover: Failover) -> None:
    assert set(failover.killed) == set(ADDRESSES)
    assert min(failover.steps_with_two) >= GUESTS


def test_no_order_is_lost_by_the_cluster(failover: Failover) -> None:
    statuses = failover.aftermath.statuses

    assert failover.aftermath.lost == set()
    assert set(statuses.values()) <= set(FINAL)
    assert len(statuses) == len(failover.crowd.stories)


def test_no_money_is_lost_or_taken_twice_by_the_cluster(failover: Failover) -> None:
    assert failover.aftermath.wrong == ()
    assert failover.aftermath.findings == ()
    assert failover.aftermath.doubled == ()


def test_nothing_is_parked_by_the_cluster(failover: Failover) -> None:
    assert failover.aftermath.parked == ()
