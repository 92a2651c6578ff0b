"""An operator looks, corrects and replays while the document store goes down and comes back, again and again."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from chassis.errors import StoreUnavailableError
from chassis.runtime.metrics import Metrics
from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store as StoreClient
from contracts.ids import OrderId
from contracts.orders import CancelOrder
from deploy.local.broker import Broker
from deploy.local.store import Store
from ops.core import dead_letter_actions as actions
from ops.core import replay_planning as planning
from ops.core.dead_letters.editing import EditError
from ops.core.dead_letters.letters import Stage
from ops.core.messages import Filter
from ops.core.replay import plans
from ops.core.replay.plans import PlanStage
from ops.core.replay.run import NotRunnableError, RunOptions
from ops.core.session import OperatorSession
from tests.support.desk import is_clean, paid_order
from tests.support.operator import Operator, target_of
from tests.support.outages import store_to_kill
from tests.support.system import System, system_on
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(3600)

OUTAGES = 3
LOOKS = 25
"""Looks per outage: more than the twenty deliveries after which RabbitMQ 4 drops a message by default."""
LETTERS = 6
BROKEN = "MalformedMessageError"


@dataclass
class Busy:
    """An operator who goes on after every failure, until nothing is left to decide."""

    desk: OperatorSession
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Counter[str] = field(default_factory=Counter)

    async def look(self) -> None:
        while not self.is_over.is_set():
            await self._tried(actions.find(self.desk, Filter()), "look")

    async def decide(self) -> None:
        while not self.is_over.is_set():
            await self._tried(self._correct(), "correct")
            await self._tried(self._replay(), "replay")

    async def _correct(self) -> None:
        for letter in await actions.find(self.desk, Filter(error=BROKEN)):
            if b'"reason":7' in letter.message.body:
                with suppress(EditError):
                    await actions.edit(
                        self.desk, letter.letter_id, who="olga", why="chaos", assignments=["reason=typo"]
                    )

    async def _replay(self) -> None:
        whole = [a for a in await actions.find(self.desk, Filter()) if b'"reason":7' not in a.message.body]
        if whole:
            await planning.of_letters(self.desk, [letter.letter_id for letter in whole], Filter(), "olga")
        for plan in await self.desk.plans.all():
            if plan.stage not in (PlanStage.DONE, PlanStage.RUNNING):
                with suppress(NotRunnableError):
                    await self.desk.runner.run(plan.plan_id, RunOptions("olga", "chaos", rate=50, stop_after=99))

    async def _tried(self, work: object, name: str) -> None:
        try:
            await work  # type: ignore[misc]
            self.seen[f"{name} done"] += 1
        except StoreUnavailableError:
            self.seen[f"{name} refused"] += 1
        await asyncio.sleep(0.05)


@asynccontextmanager
async def desk_of(system: System) -> AsyncIterator[OperatorSession]:
    target = target_of(system)
    client = StoreClient(target.mongodb_url, target.database, Metrics("tests"), timeout=1.5)
    async with target.connection() as connection:
        yield OperatorSession(target, client, connection)
    client.close()


async def parked_cancels(system: System) -> list[OrderId]:
    """Paid orders with a command to cancel each among the dead letters; every other one is malformed."""
    orders = []
    for number in range(LETTERS):
        guest = system.guest()
        order_id = OrderId(await paid_order(system, guest))
        cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id, reason="chaos")
        said = json.loads(cancel.to_wire())
        body = json.dumps(said | {"reason": 7} if number % 2 else said, separators=(",", ":")).encode()
        error = BROKEN if number % 2 else "StoreUnavailableError"
        await Operator(system).park(body, cancel.kind, "extras.commands", f"m-{number}", error)
        orders.append(order_id)
    return orders


async def test_nothing_is_lost_or_done_twice_by_an_operator_at_work_while_the_store_comes_and_goes(
    broker: Broker, tmp_path_factory: pytest.TempPathFactory, in_containers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "INTERRUPTED_AFTER", timedelta(seconds=5))
    with store_to_kill(tmp_path_factory.mktemp("operators-store"), in_containers=in_containers) as store:
        async with system_on(broker, store, store_timeout=1.0) as system, desk_of(system) as desk:
            orders = await parked_cancels(system)
            busy = Busy(desk)
            async with asyncio.TaskGroup() as at_work:
                at_work.create_task(busy.look())
                at_work.create_task(busy.decide())
                for _ in range(OUTAGES):
                    await _outage(store, busy)
                await until(lambda: _all_cancelled(system, orders), "every order is cancelled", within=240)
                busy.is_over.set()

            await is_clean(system)
            letters = (await desk.letters.records.find()).values()
            stages = Counter(letter.stage for letter in letters)
            entries: Counter[str] = Counter(entry.action for entry in await AuditLog(desk.store).entries())
            made = [await desk.plans.named(plan.plan_id) for plan in await desk.plans.all()]
            sent = Counter(item.message.message_id for _, items in made for item in items if item.result == "sent")

    assert {letter.message.message_id for letter in letters} >= {f"m-{number}" for number in range(LETTERS)}
    assert stages == {Stage.REPLAYED: LETTERS, Stage.EDITED: LETTERS // 2}
    assert max(sent.values()) == 1, "no message was sent by two plans, or twice"
    assert busy.seen["look refused"] >= OUTAGES * LOOKS
    assert entries["edit"] >= LETTERS // 2
    assert entries["replay"] >= 1


async def _outage(store: Store, busy: Busy) -> None:
    """The store is killed, and started again once the operator has looked in vain often enough."""
    before = busy.seen["look refused"]
    await asyncio.to_thread(store.kill)
    await until(lambda: busy.seen["look refused"] - before >= LOOKS, "the operator has looked in vain", within=240)
    done = busy.seen["look done"]
    await asyncio.to_thread(store.start)
    await until(lambda: busy.seen["look done"] > done, "the operator sees letters again", within=240)


async def _all_cancelled(system: System, orders: list[OrderId]) -> bool:
    documents = [await system.document(order_id) for order_id in orders]
    return all(document and document["state"]["status"] == "cancelled" for document in documents)
