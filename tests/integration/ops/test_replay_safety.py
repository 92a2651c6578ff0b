"""A replay does what its plan says, sends no message twice, and leaves a record before it begins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from chassis.errors import StoreUnavailableError
from chassis.messaging.envelope import utc_now
from chassis.runtime.metrics import Metrics
from chassis.storage.audit_log import AuditLog
from chassis.storage.records import MongoRecords
from chassis.storage.store import Store
from contracts.ids import OrderId
from contracts.orders import CancelOrder
from ops.core import dead_letter_actions as actions
from ops.core import replay_planning as planning
from ops.core.dead_letters.letters import Stage
from ops.core.messages import Filter
from ops.core.replay.plans import INTERRUPTED_AFTER, Plan, PlanStage
from ops.core.replay.run import NotRunnableError, RunOptions
from ops.core.session import OperatorSession
from tests.support.desk import cancel, paid_order
from tests.support.examples import sample
from tests.support.guest import body
from tests.support.operator import NAME, Operator, of_unknown_order, target_of
from tests.support.system import System
from tests.support.waiting import until

PLACE = sample("orders.place-order.v1")
SUCCEEDED = "payments.payment-succeeded.v1"
AT_ONCE = RunOptions("olga", "a test", rate=100, stop_after=9, settle=0)


@pytest.fixture
async def operator(own_system: Callable[..., Any]) -> Operator:
    return Operator(await own_system())


@asynccontextmanager
async def desk_of(system: System, store_type: type[Store] = Store) -> AsyncIterator[OperatorSession]:
    target = target_of(system)
    store = store_type(target.mongodb_url, target.database, Metrics("tests"), timeout=5.0)
    async with target.connection() as connection:
        yield OperatorSession(target, store, connection)
    store.close()


async def parked_cancel(operator: Operator, *message_ids: str) -> tuple[Any, OrderId]:
    """A paid order, and commands to cancel it that wait as dead letters."""
    guest = operator.system.guest()
    order_id = OrderId(await paid_order(operator.system, guest))
    cancel = CancelOrder(order_id=order_id, guest_id=guest.guest_id, property_id=guest.property_id)
    for message_id in message_ids:
        await operator.park(cancel, cancel.kind, "extras.commands", message_id, "StoreUnavailableError")
    return guest, order_id


async def test_a_run_stops_before_a_message_whose_forecast_has_changed(operator: Operator) -> None:
    guest, order_id = await parked_cancel(operator, "m-cancel")
    plan_id = (await operator.json("dead", "replay", code=3))["plan_id"]
    body(await cancel(guest, order_id), 200)

    report = await operator.json("plans", "run", plan_id, "--why", "as planned", code=1)

    assert (report["stage"], report["sent"], report["left"]) == ("stopped", 0, 1)
    assert report["reason"].startswith("Message 1 was not sent: its forecast was applied → cancelled")
    assert report["reason"].endswith("is now ignored: cancelled already.")
    assert [letter["message_id"] for letter in await operator.json("dead", "list", code=1)] == ["m-cancel"]
    [record] = await operator.json("audit-log")
    assert (record["who"], record["action"]) == (NAME, "replay")
    assert record["outcome"].startswith("stopped: 0 sent")

    went_on = await operator.json("plans", "run", plan_id, "--why", "it does no harm", "--accept-changes")

    assert (went_on["stage"], went_on["sent"]) == ("done", 1)
    [item] = (await operator.json("plans", "show", plan_id))["items"]
    assert item["remark"].startswith("its forecast was applied → cancelled")


async def test_what_earlier_messages_of_the_plan_change_is_no_reason_to_stop(operator: Operator) -> None:
    await parked_cancel(operator, "m-1", "m-2", "m-3")

    report = await operator.json("dead", "replay", "--why", "the store is back", "--rate", "100", "--yes")

    plan = await operator.json("plans", "show", report["plan_id"])
    assert [item["forecast"]["outcome"] for item in plan["items"]] == ["applied", "ignored", "ignored"]
    assert (report["stage"], report["sent"], report["reason"]) == ("done", 3, "")


async def test_two_plans_never_send_one_message_of_the_log(operator: Operator) -> None:
    order_id = await paid_order(operator.system, operator.system.guest())
    async with desk_of(operator.system) as one, desk_of(operator.system) as other:
        wanted = Filter(queue="psp.commands", order=order_id)
        first, items = await planning.of_log(one, ("psp.commands",), wanted, "first", "olga")
        second, _ = await planning.of_log(other, ("psp.commands",), wanted, "first", "otto")

        reports = await asyncio.gather(
            one.runner.run(first.plan_id, AT_ONCE), other.runner.run(second.plan_id, AT_ONCE)
        )

        assert items
        assert sum(report.sent for report in reports) == len(items)
        assert sum(report.skipped for report in reports) == len(items)

    third = await operator.json("log", "replay", "--to", "psp.commands", "--order", order_id, code=3)
    skipped = await operator.json("plans", "run", third["plan_id"], "--why", "to be sure")
    fourth = await operator.json("log", "replay", "--to", "psp.commands", "--order", order_id, code=3)
    sent = await operator.json("plans", "run", fourth["plan_id"], "--why", "restored again", "--again")

    assert (skipped["sent"], skipped["skipped"]) == (0, len(items))
    assert (sent["sent"], sent["skipped"]) == (len(items), 0)
    shown = await operator.json("plans", "show", third["plan_id"])
    assert "sends it or has sent it; --again" in shown["items"][0]["remark"]


async def test_a_letter_that_came_back_is_replayed_by_the_next_plan(operator: Operator) -> None:
    await operator.park(of_unknown_order(1), SUCCEEDED, "extras.payments", "m-1", "UnknownOrderError")

    for _attempt in range(2):
        report = await operator.json("dead", "replay", "--why", "hope", "--yes", code=None)
        assert report["sent"] + report["failed"] == 1
        await until(lambda: _waiting(operator), "the message is parked again")


async def _waiting(operator: Operator) -> bool:
    return bool(await operator.json("dead", "list", code=None))


async def test_a_killed_run_shows_as_interrupted_and_its_letters_are_sent_when_the_plan_goes_on(
    operator: Operator,
) -> None:
    await parked_cancel(operator, "m-cancel")
    async with desk_of(operator.system) as desk:
        plan, [item] = await planning.of_letters(desk, None, Filter(), "olga")
        killed = await desk.plans.begin(plan)
        assert killed is not None
        taken = {"stage": Stage.REPLAYED.value, "plan_id": plan.plan_id}
        assert await desk.letters.records.change(item.letter_id or "", taken, stage="waiting")
        with pytest.raises(NotRunnableError, match="a run is in progress"):
            await desk.runner.run(plan.plan_id, AT_ONCE)

        long_ago = (utc_now() - INTERRUPTED_AFTER - timedelta(seconds=1)).isoformat()
        await desk.plans.plans.change(plan.plan_id, {"alive_at": long_ago})
        [listed] = await operator.json("plans", "list")
        report = await desk.runner.run(plan.plan_id, AT_ONCE)

        assert listed["stage"] == "interrupted"
        assert (report.stage, report.sent, report.left) == (PlanStage.DONE, 1, 0)
        assert not await desk.plans.heartbeat(plan.plan_id, killed), "the killed run, should it wake, ends"


class NoAudit(Store):
    """A store whose audit log takes no entries."""

    def records(self, name: str, record_type: Any, indexed: tuple[str, ...] = ()) -> Any:
        records: MongoRecords[Any] = super().records(name, record_type, indexed)
        if name == "audit_log":

            async def refused(*_: object) -> bool:
                raise StoreUnavailableError("adding a record", ConnectionError("the audit log is full"))

            records.add = refused  # type: ignore[assignment, method-assign]
        return records


async def test_nothing_is_done_that_the_audit_log_does_not_take(operator: Operator) -> None:
    _, order_id = await parked_cancel(operator, "m-cancel")
    async with desk_of(operator.system, NoAudit) as desk:
        plan, _ = await planning.of_letters(desk, None, Filter(), "olga")
        letters = await desk.letters.matching(Filter())
        running, _ = await planning.of_letters(desk, None, Filter(), "olga")
        assert await desk.plans.begin(running)
        chosen, who, why = letters[0].letter_id, "olga", "a test"

        for act in (
            lambda: actions.set_stage(desk, letters, Stage.DISCARDED, "discard", who=who, why=why),
            lambda: actions.edit(desk, chosen, assignments=["reason=other"], who=who, why=why),
            lambda: actions.delete(desk, letters, who=who, why=why),
            lambda: desk.runner.run(plan.plan_id, AT_ONCE),
            lambda: planning.pause(desk, running.plan_id, who=who, why=why),
        ):
            with pytest.raises(StoreUnavailableError, match="adding a record"):
                await act()

        assert await desk.letters.matching(Filter(), stage=None) == letters
        stages = {one.plan_id: one.stage for one in await desk.plans.all()}
        assert stages == {plan.plan_id: PlanStage.PLANNED, running.plan_id: PlanStage.RUNNING}
        document = await operator.system.document(order_id)
        assert document is not None
        assert document["state"]["status"] == "confirmed"
        assert await AuditLog(desk.store).entries() == []


async def test_an_act_that_fails_halfway_is_in_the_audit_log_with_its_failure(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parked_cancel(operator, "m-1", "m-2")
    async with desk_of(operator.system) as desk:
        letters = await actions.find(desk, Filter())
        move, moved = desk.letters.move, list[Any]()

        async def once(*words: Any) -> bool:
            if moved:
                raise StoreUnavailableError("changing a record", ConnectionError("reset"))
            moved.append(words)
            return await move(*words)

        monkeypatch.setattr(desk.letters, "move", once)
        with pytest.raises(StoreUnavailableError):
            await actions.set_stage(desk, letters, Stage.DISCARDED, "discard", who="olga", why="a test")

        [entry] = await AuditLog(desk.store).entries()
        assert entry.outcome.startswith("failed: ")


def test_a_plan_of_an_older_version_reads_as_before() -> None:
    stored = {
        "plan_id": "rp_1",
        "made_at": utc_now(),
        "made_by": "olga",
        "source": "dead",
        "description": "everything",
        "messages": 1,
        "stage": "running",
    }

    assert Plan.model_validate(stored).seen_at(utc_now()).stage is PlanStage.RUNNING
