"""Replay plans: saved, numbered lists of messages with their forecasts and the progress of the run."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from chassis.messaging.envelope import utc_now
from chassis.storage.records import MongoRecords
from chassis.storage.store import Store
from ops.core.dry_run import DryRun, Forecast
from ops.core.large_bodies import LargeBodies
from ops.core.messages import RecordedMessage
from psp_adapter.accounts import Accounts


class PlanStage(StrEnum):
    """The stage of a plan."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    """Its run has sent no heartbeat for `INTERRUPTED_AFTER`. Never stored: derived from the last heartbeat."""
    STOPPED = "stopped"
    DONE = "done"


INTERRUPTED_AFTER = timedelta(seconds=60)
"""Longer than a run ever takes between two heartbeats."""


_PAGE = 500
"""Messages of a plan that are read at once."""


class Result(StrEnum):
    """The result of one message of a plan."""

    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


class Planned(BaseModel):
    """One message of a plan."""

    model_config = ConfigDict(frozen=True)

    plan_id: str
    number: int
    message: RecordedMessage
    queue: str = Field(description="the one queue it is sent to")
    letter_id: str | None = Field(default=None, description="the dead letter it comes from; none: from the log")
    forecast: Forecast
    result: Result | None = None
    remark: str = ""

    @property
    def item_id(self) -> str:
        return item_id(self.plan_id, self.number)


def item_id(plan_id: str, number: int) -> str:
    return f"{plan_id}.{number:06d}"


class Plan(BaseModel):
    """The plan itself; its messages are separate records."""

    model_config = ConfigDict(frozen=True)

    plan_id: str
    made_at: datetime
    made_by: str
    source: str = Field(description="`dead` or `log`")
    description: str = Field(
        validation_alias=AliasChoices("description", "wanted"),  # its name in plans of 0.2.0 and earlier
        description="describes the selection, for people",
    )
    messages: int
    stage: PlanStage = PlanStage.PLANNED
    run_id: str = Field(default="", description="its newest run")
    alive_at: datetime | None = Field(default=None, description="the last heartbeat of that run")
    reason: str = Field(default="", description="why that run stopped, if it did before the end")

    def seen_at(self, now: datetime) -> "Plan":
        """The plan with its actual stage."""
        is_dead = self.alive_at is not None and now - self.alive_at > INTERRUPTED_AFTER
        if self.stage is PlanStage.RUNNING and is_dead:
            return self.model_copy(update={"stage": PlanStage.INTERRUPTED})
        return self


class NoSuchPlanError(Exception):
    """No plan has this id."""

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"There is no plan {plan_id!r}; `bellhop plans` lists them.")


class Plans:
    """All plans of a system, in the document store."""

    def __init__(self, store: Store, psp: Accounts | None = None) -> None:
        self._store = store
        self._psp = psp
        self.plans: MongoRecords[Plan] = store.records("replay_plans", Plan)
        self.items: MongoRecords[Planned] = store.records("replay_items", Planned, indexed=("plan_id",))

    async def make(
        self, source: str, description: str, made_by: str, chosen: Iterable[tuple[RecordedMessage, str, str | None]]
    ) -> tuple[Plan, list[Planned]]:
        """Save a plan for these messages, each with its queue and its dead letter. Sends nothing.

        The forecasts assume this order: each message finds the changes of those before it.
        """
        plan_id = f"rp_{uuid.uuid4().hex[:8]}"
        dry_run = DryRun(self._store, self._psp)
        bodies = LargeBodies(self._store)
        items = []
        for number, (chosen_one, queue, letter_id) in enumerate(chosen, 1):
            forecast = await dry_run.forecast(await bodies.whole(chosen_one), queue)
            message = await bodies.keep(chosen_one)
            items.append(
                Planned(
                    plan_id=plan_id,
                    number=number,
                    message=message,
                    queue=queue,
                    letter_id=letter_id,
                    forecast=forecast,
                )
            )
        plan = Plan(
            plan_id=plan_id,
            made_at=utc_now(),
            made_by=made_by,
            source=source,
            description=description,
            messages=len(items),
        )
        if items:
            await self.items.put({item.item_id: item for item in items})
        await self.plans.put({plan_id: plan})
        return plan, items

    async def named(self, plan_id: str) -> tuple[Plan, list[Planned]]:
        """A plan and its messages in order. Raises NoSuchPlanError."""
        plan = await self.header(plan_id)
        ids = [item_id(plan_id, number) for number in range(1, plan.messages + 1)]
        items = await self.items.get(ids)
        return plan, sorted(items.values(), key=lambda item: item.number)

    async def messages(self) -> AsyncIterator[list[Planned]]:
        """The messages of all plans, in parts by the first digit of the plans' ids.

        Also those of a plan that `all` does not list: its maker died after its messages were stored.
        """
        begins = ["", *(f"rp_{digit:x}" for digit in range(1, 16))]
        for least, below in zip(begins, [*begins[1:], None], strict=True):
            found = (await self.items.between("plan_id", least, below)).values()
            yield sorted(found, key=lambda item: item.item_id)

    async def all(self) -> list[Plan]:
        """The newest last."""
        now = utc_now()
        plans = (await self.plans.find()).values()
        return sorted((plan.seen_at(now) for plan in plans), key=lambda plan: plan.made_at)

    async def header(self, plan_id: str) -> Plan:
        plan = (await self.plans.get([plan_id])).get(plan_id)
        if plan is None:
            raise NoSuchPlanError(plan_id)
        return plan.seen_at(utc_now())

    async def begin(self, plan: Plan) -> str | None:
        """Start a run of a plan. Returns the run's id, or None if another was first."""
        run_id = uuid.uuid4().hex[:8]
        stored = PlanStage.RUNNING if plan.stage is PlanStage.INTERRUPTED else plan.stage
        begun = {"stage": PlanStage.RUNNING.value, "run_id": run_id, "alive_at": _stored(utc_now()), "reason": ""}
        only_if = {"stage": stored.value} | ({"run_id": plan.run_id} if plan.run_id else {})
        return run_id if await self.plans.change(plan.plan_id, begun, **only_if) else None

    async def heartbeat(self, plan_id: str, run_id: str) -> bool:
        """Record a run's heartbeat. False if it was paused, or another run has taken over."""
        alive = {"alive_at": _stored(utc_now())}
        return await self.plans.change(plan_id, alive, stage=PlanStage.RUNNING.value, run_id=run_id)

    async def end(self, plan_id: str, run_id: str, stage: PlanStage, reason: str = "") -> bool:
        """End a run. False if it was paused, or another run has taken over."""
        ended = {"stage": stage.value, "reason": reason}
        return await self.plans.change(plan_id, ended, stage=PlanStage.RUNNING.value, run_id=run_id)

    async def pause(self, plan_id: str) -> bool:
        """Pause a run after its current message. False if none is running."""
        return await self.plans.change(plan_id, {"stage": PlanStage.PAUSED.value}, stage=PlanStage.RUNNING.value)

    async def rewrite(self, item: Planned, message: RecordedMessage) -> None:
        """Replace what a message of a plan says."""
        kept = await LargeBodies(self._store).keep(message)
        await self.items.change(item.item_id, {"message": kept.model_dump(mode="json")})

    async def note(self, item: Planned, result: Result | None, remark: str = "") -> None:
        """Record a message's result, or None if it is left, with the reason."""
        await self.items.change(item.item_id, {"result": result.value if result else None, "remark": remark})


def _stored(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def by_kind(items: Iterable[Planned]) -> Counter[str]:
    """Number of messages by kind."""
    return Counter(item.message.kind or "(no kind)" for item in items)


def by_forecast(items: Iterable[Planned]) -> Counter[str]:
    """Number of messages by forecast."""
    return Counter(item.forecast.outcome for item in items)
