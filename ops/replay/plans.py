"""A replay plan: a saved, numbered list of messages, what each would do, and how far its run has got."""

import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from chassis.envelope import utc_now
from chassis.store import Records, Store
from ops.large_bodies import LargeBodies
from ops.messages import Seen
from ops.rehearsal import Forecast, Rehearsal
from psp_adapter.stripe_api import StripeApi


class PlanStage(StrEnum):
    """Where a plan stands."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class Result(StrEnum):
    """What became of one message of a plan."""

    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"


class Planned(BaseModel):
    """One message of a plan."""

    model_config = ConfigDict(frozen=True)

    plan_id: str
    number: int
    message: Seen
    queue: str = Field(description="the one queue it is sent to")
    letter_id: str | None = Field(default=None, description="the dead letter it comes from; none: from the log")
    forecast: Forecast
    result: Result | None = None
    remark: str = ""

    @property
    def item_id(self) -> str:
        return f"{self.plan_id}.{self.number:06d}"


class Plan(BaseModel):
    """The plan itself; its messages are records of their own."""

    model_config = ConfigDict(frozen=True)

    plan_id: str
    made_at: datetime
    made_by: str
    source: str = Field(description="`dead` or `log`")
    wanted: str = Field(description="what was asked for, in words")
    messages: int
    stage: PlanStage = PlanStage.PLANNED


class NoSuchPlanError(Exception):
    """No plan has this id."""

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"There is no plan {plan_id!r}; `bellhop plans` lists them.")


class Plans:
    """All plans of a system, in the document store."""

    def __init__(self, store: Store, psp: StripeApi | None = None) -> None:
        self._store = store
        self._psp = psp
        self.plans: Records[Plan] = store.records("replay_plans", Plan)
        self.items: Records[Planned] = store.records("replay_items", Planned, indexed=("plan_id",))

    async def make(
        self, source: str, wanted: str, made_by: str, chosen: Iterable[tuple[Seen, str, str | None]]
    ) -> tuple[Plan, list[Planned]]:
        """Save a plan for these messages, each with its queue and the letter it comes from. Sends nothing.

        The forecasts are for the messages in this order: what one changes, the next finds changed.
        """
        plan_id = f"rp_{uuid.uuid4().hex[:8]}"
        rehearsal = Rehearsal(self._store, self._psp)
        bodies = LargeBodies(self._store)
        items = []
        for number, (chosen_one, queue, letter_id) in enumerate(chosen, 1):
            forecast = await rehearsal.forecast(await bodies.whole(chosen_one), queue)
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
            plan_id=plan_id, made_at=utc_now(), made_by=made_by, source=source, wanted=wanted, messages=len(items)
        )
        if items:
            await self.items.put({item.item_id: item for item in items})
        await self.plans.put({plan_id: plan})
        return plan, items

    async def named(self, plan_id: str) -> tuple[Plan, list[Planned]]:
        """A plan and its messages in order. Raises NoSuchPlanError."""
        plan = await self.named_alone(plan_id)
        items = (await self.items.find(plan_id=plan_id)).values()
        return plan, sorted(items, key=lambda item: item.number)

    async def all(self) -> list[Plan]:
        """The newest last."""
        return sorted((await self.plans.find()).values(), key=lambda plan: plan.made_at)

    async def stage_of(self, plan_id: str) -> PlanStage:
        return (await self.named_alone(plan_id)).stage

    async def named_alone(self, plan_id: str) -> Plan:
        plan = (await self.plans.get([plan_id])).get(plan_id)
        if plan is None:
            raise NoSuchPlanError(plan_id)
        return plan

    async def turn(self, plan_id: str, to: PlanStage, *, only_from: PlanStage) -> bool:
        """Move a plan on. False when it stands elsewhere by now."""
        return await self.plans.change(plan_id, {"stage": to.value}, stage=only_from.value)

    async def note(self, item: Planned, result: Result, remark: str = "") -> None:
        await self.items.change(item.item_id, {"result": result.value, "remark": remark})


def by_kind(items: Iterable[Planned]) -> Counter[str]:
    """How many messages of each kind."""
    return Counter(item.message.kind or "(no kind)" for item in items)


def by_forecast(items: Iterable[Planned]) -> Counter[str]:
    """How many messages come to which end."""
    return Counter(item.forecast.outcome for item in items)
