"""A store is restored from a backup, and brought up to date as docs/operations.md says it, whatever else goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from chassis.errors import TransientError
from chassis.runtime.metrics import Metrics
from ops.core import dead_letter_actions as actions
from ops.core import replay_planning as planning
from ops.core.messages import Filter
from ops.core.reconcile import reconcile
from ops.core.replay.plans import PlanStage
from ops.core.replay.run import NotRunnableError, RunOptions
from ops.core.session import OperatorSession
from ops.core.target import Target
from ops.web.session import ReconnectingSession
from tests.simulation.loop import Process
from tests.simulation.operators import is_replayable
from tests.simulation.store.queries import Document

if TYPE_CHECKING:
    from tests.simulation.instances import Instance
    from tests.simulation.world import World

WHO, WHY = "olga", "store restored"
NO_SWEEPS = 86400.0
"""Seconds: what the page says for `BELLHOP_SWEEP_EVERY` until the store has caught up."""
_STOPPED_WITHIN = 60.0
_FORESEEN = (TransientError, AMQPError, ChannelInvalidStateError, OSError, NotRunnableError)


@dataclass(frozen=True, slots=True)
class Restorable:
    """A store: its service, its collections, and the queues its service takes its work from."""

    service: str
    collections: tuple[str, ...]
    queues: tuple[str, ...]


STORES = (
    Restorable("extras-service", ("orders", "stock"), ("extras.commands", "extras.payments", "extras.stock")),
    Restorable("payment-service", ("payments", "psp_sweeps"), ("payments.commands", "payments.psp")),
)
Backup = Mapping[str, dict[Any, Document]]


@dataclass
class Restores:
    """What was restored in a history: laws allow what a restore may do, and no more."""

    is_going_on: bool = False
    number: int = 0
    """How often orders or payments were."""
    of_mails: int = 0
    """How often e-mails were."""
    reverted: set[str] = field(default_factory=set)
    """Documents that were set back or removed."""


async def restore_one(world: "World", random: Random, target: Target) -> None:
    """From the backup to the audit that finds nothing. Nothing, where another one goes on."""
    if world.restores.is_going_on or world.restores.of_mails:
        return
    world.restores.is_going_on = True
    lost = random.choice(STORES)
    backup = {name: dict(world.collection(name).documents) for name in lost.collections}
    taken_at = datetime.fromtimestamp(world.loop.unix_time(), UTC)
    await asyncio.sleep(random.choice((20.0, 120.0, 1200.0)))
    gateways = [each for each in world.instances if each.service == "gateway"]
    services = [each for each in world.instances if each.service == lost.service]
    await _stopped([*gateways, *services])
    _set_back(world, backup)
    world.restores.number += 1
    for each in services:
        each.release(sweep_every=NO_SWEEPS)
    await _as_operator(world, _Catching(target, lost, taken_at - timedelta(minutes=1)).up)
    await _stopped(services)
    for each in (*services, *gateways):
        each.release()
    await _as_operator(world, lambda: _reconciled(target))
    world.restores.is_going_on = False


async def restore_mails(world: "World", random: Random) -> None:
    """The e-mails alone, once. Nothing, where orders are restored: their replay reports again what was mailed."""
    if world.restores.is_going_on or world.restores.number or world.restores.of_mails:
        return
    world.restores.is_going_on = True
    world.restores.of_mails += 1
    backup = {"mails": dict(world.collection("mails").documents)}
    await asyncio.sleep(random.choice((20.0, 120.0, 1200.0)))
    services = [each for each in world.instances if each.service == "notifications"]
    await _stopped(services)
    _set_back(world, backup)
    for each in services:
        each.release(mail_not_before=datetime.fromtimestamp(world.loop.unix_time(), UTC))
    world.restores.is_going_on = False


async def _stopped(instances: "list[Instance]") -> None:
    for each in instances:
        each.hold()
    for _ in range(int(_STOPPED_WITHIN)):
        if not any(each.process.alive for each in instances):
            return
        await asyncio.sleep(1.0)
    for each in instances:
        each.kill(start_again_after=1.0)


def _set_back(world: "World", backup: Backup) -> None:
    for name, documents in backup.items():
        collection = world.collection(name)
        changed = {each for each in collection.documents if collection.documents[each] is not documents.get(each)}
        world.writes.reverted(collection, changed)
        world.restores.reverted |= {str(each) for each in changed}
        collection.restore(documents)
    world.recording.warning("store.restored", collections=", ".join(backup))


async def _as_operator(world: "World", work: Callable[[], Awaitable[None]]) -> None:
    """In a process of its own, again and again until it is done."""
    process = Process(f"operator-of-restore-{world.restores.number}")
    world.servers.enter(process)

    async def insisted() -> None:
        while True:
            try:
                return await work()
            except _FORESEEN as error:
                world.recording.warning("restore.tried_again", error=repr(error))
                await asyncio.sleep(10.0)

    await world.loop.run_in(process, insisted(), "restoring")


@dataclass
class _Catching:
    """The service's part of the log is replayed, then what was parked meanwhile."""

    target: Target
    lost: Restorable
    since: datetime
    plan_id: str | None = None

    async def up(self) -> None:
        session = ReconnectingSession(self.target, Metrics("bellhop"))
        try:
            await self._up(await session())
        finally:
            await session.close()

    async def _up(self, desk: OperatorSession) -> None:
        if self.plan_id is None:
            plan, _ = await planning.of_log(desk, self.lost.queues, Filter(since=self.since), self.since, WHO)
            self.plan_id = plan.plan_id
        await self._run(desk, self.plan_id)
        letters = [each for each in await actions.find(desk, Filter()) if is_replayable(each)]
        if letters:
            plan, _ = await planning.of_letters(desk, [each.letter_id for each in letters], Filter(), WHO)
            await self._run(desk, plan.plan_id)

    async def _run(self, desk: OperatorSession, plan_id: str) -> None:
        """To its end, also when another operator pauses it."""
        while (await desk.plans.header(plan_id)).stage is not PlanStage.DONE:
            await desk.runner.run(plan_id, RunOptions(WHO, WHY, rate=100.0, stop_after=999, accept_changes=True))


async def _reconciled(target: Target) -> None:
    await reconcile(target, who=WHO, why=WHY)
