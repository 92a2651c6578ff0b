"""Runs a plan: message by message, each looked at again right before it is sent, until done, paused or stopped."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from chassis.headers import ATTEMPT, FAILURE, ORIGIN, REPLAY_PLAN, kept
from chassis.store import Store
from ops.audit_log import AuditLog
from ops.dead.letters import DeadLetters, Stage
from ops.large_bodies import BodyGoneError
from ops.messages import Seen
from ops.rehearsal import Rehearsal
from ops.replay.plans import Plan, Planned, Plans, PlanStage, Result
from psp_adapter.stripe_api import StripeApi

_TAKEN_WITHIN = 10.0
_LOOK_EVERY = 0.5
"""Seconds between looks at the dead queues for messages of this plan that failed again."""


@dataclass(frozen=True, slots=True)
class Orders:
    """How a plan is to be run."""

    who: str
    why: str
    rate: float = 10.0
    """Messages per second."""
    stop_after: int = 1
    """So many messages failed again end the run."""
    settle: float = 1.0
    """Seconds to wait once the queues are empty, for the last message to be handled or parked again."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    stage: PlanStage
    sent: int
    skipped: int
    failed: int
    left: int


class NotRunnableError(Exception):
    """The plan is done, or somebody is running it."""

    def __init__(self, plan_id: str, stage: PlanStage) -> None:
        hint = {
            PlanStage.RUNNING: "somebody runs it; if nobody does, pause it first (`bellhop plans pause`)",
            PlanStage.DONE: "make a new one",
        }
        super().__init__(f"{plan_id} is {stage}: {hint.get(stage, 'it was changed meanwhile')}.")


class Runner:
    """Carries out plans over one connection."""

    def __init__(self, store: Store, connection: AbstractConnection, psp: StripeApi | None = None) -> None:
        self._store = store
        self._psp = psp
        self._connection = connection
        self._login = connection.url.user or "guest"  # type: ignore[attr-defined]
        self._plans = Plans(store)
        self._letters = DeadLetters(store, connection)
        self._audit = AuditLog(store)

    async def run(self, plan_id: str, orders: Orders, progress: Callable[[Planned], None] = lambda _: None) -> Report:
        """Run what is left of a plan. Pausing it, from anywhere, ends this after the message at hand.

        Raises NoSuchPlanError and NotRunnableError.
        """
        plan, items = await self._plans.named(plan_id)
        if plan.stage in (PlanStage.RUNNING, PlanStage.DONE):
            raise NotRunnableError(plan_id, plan.stage)
        left = [item for item in items if item.result is None]
        what = f"{len(left)} of {plan.messages} messages, {plan.source}: {plan.wanted}; {orders.rate:g}/s"
        await self._audit.note("replay", orders.who, orders.why, (plan_id,), what)
        if not await self._plans.turn(plan_id, PlanStage.RUNNING, only_from=plan.stage):
            raise NotRunnableError(plan_id, await self._plans.stage_of(plan_id))
        end = PlanStage.PAUSED
        try:
            end = await self._send_all(left, orders, progress)
        finally:
            await self._plans.turn(plan_id, end, only_from=PlanStage.RUNNING)
        return await self.report(plan_id)

    async def report(self, plan_id: str) -> Report:
        """How far a plan has got."""
        return report_of(*await self._plans.named(plan_id))

    async def _send_all(self, items: list[Planned], orders: Orders, progress: Callable[[Planned], None]) -> PlanStage:
        async with self._connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
            return await self._send_over(channel, items, orders, progress)

    async def _send_over(
        self, channel: AbstractChannel, items: list[Planned], orders: Orders, progress: Callable[[Planned], None]
    ) -> PlanStage:
        sent: dict[str, Planned] = {}
        failed: set[str] = set()
        looked_at = monotonic()
        for item in items:
            if await self._plans.stage_of(item.plan_id) is not PlanStage.RUNNING:
                return PlanStage.PAUSED
            if await self._send(channel, item):
                sent[item.message.message_id] = item
                await asyncio.sleep(1 / orders.rate)
            progress(item)
            if monotonic() - looked_at > _LOOK_EVERY:
                failed |= await self._failed_again(sent)
                looked_at = monotonic()
            if len(failed) >= orders.stop_after:
                return PlanStage.STOPPED
        if sent:
            await self._taken(channel, {item.queue for item in sent.values()})
            await asyncio.sleep(orders.settle)
            await self._failed_again(sent)
        return PlanStage.DONE

    async def _taken(self, channel: AbstractChannel, queues: set[str]) -> None:
        """Wait until services have taken what was sent, but not for a service that is away."""
        until = monotonic() + _TAKEN_WITHIN
        while monotonic() < until:
            declared = [(await channel.declare_queue(name, passive=True)).declaration_result for name in queues]
            if not any(queue.message_count for queue in declared):
                return
            await asyncio.sleep(0.1)

    async def _send(self, channel: AbstractChannel, item: Planned) -> bool:
        """False when it was skipped, and why is noted."""
        try:
            message = await self._letters.bodies.whole(item.message)
        except BodyGoneError as gone:
            await self._plans.note(item, Result.SKIPPED, str(gone))
            return False
        forecast = await Rehearsal(self._store, self._psp).forecast(message, item.queue)
        if forecast.is_handled_already:
            await self._plans.note(item, Result.SKIPPED, "handled already")
            if item.letter_id:
                await self._take_letter(item)
            return False
        if not item.queue:
            await self._plans.note(item, Result.SKIPPED, "nobody knows the queue it came from")
            return False
        misroute = message.misroute(item.queue)
        if misroute:
            await self._plans.note(item, Result.SKIPPED, misroute)
            return False
        if item.letter_id and not await self._take_letter(item):
            await self._plans.note(item, Result.SKIPPED, "no longer waiting: somebody else has dealt with it")
            return False
        try:
            await channel.default_exchange.publish(
                _again(message, item.plan_id, self._login), item.queue, mandatory=True
            )
        except (ValueError, TypeError) as unsendable:  # AMQP has no form for it; the others are sent
            await self._give_letter_back(item)
            await self._plans.note(item, Result.FAILED, f"it cannot be sent: {unsendable}")
            return False
        except BaseException:
            await self._give_letter_back(item)
            raise
        await self._plans.note(item, Result.SENT)
        return True

    async def _take_letter(self, item: Planned) -> bool:
        taken = {"stage": Stage.REPLAYED.value, "plan_id": item.plan_id}
        return await self._letters.records.change(item.letter_id or "", taken, stage=Stage.WAITING.value)

    async def _give_letter_back(self, item: Planned) -> None:
        if item.letter_id:
            waiting = {"stage": Stage.WAITING.value}
            await self._letters.records.change(item.letter_id, waiting, plan_id=item.plan_id)

    async def _failed_again(self, sent: dict[str, Planned]) -> set[str]:
        """Ids of the messages of this run that have come back dead, whoever took them in."""
        await self._letters.take_in()
        plan_id = next(iter(sent.values())).plan_id if sent else ""
        again = set()
        for letter in (await self._letters.records.find(**{f"message.headers.{REPLAY_PLAN}": plan_id})).values():
            item = sent.get(letter.message.message_id)
            if item is not None and letter.stage is Stage.WAITING:
                again.add(letter.message.message_id)
                remark = f"parked again as {letter.letter_id}: {letter.message.error}"
                await self._plans.note(item, Result.FAILED, remark)
        return again


def report_of(plan: Plan, items: Sequence[Planned]) -> Report:
    """How far a plan has got, by what was noted at its messages."""
    counts = {result: sum(item.result is result for item in items) for result in Result}
    left = sum(item.result is None for item in items)
    return Report(plan.stage, counts[Result.SENT], counts[Result.SKIPPED], counts[Result.FAILED], left)


def _again(seen: Seen, plan_id: str, login: str) -> aio_pika.Message:
    """The message as it was, on its first attempt, with the headers of ours alone and nobody waiting for a reply."""
    known = {name: value for name, value in kept(seen.headers).items() if name not in FAILURE | ORIGIN}
    return aio_pika.Message(
        seen.body,
        message_id=seen.message_id or None,
        correlation_id=seen.correlation_id or None,
        type=seen.kind or None,
        timestamp=seen.sent_at,
        app_id=seen.sender or None,
        user_id=login,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers={**known, ATTEMPT: 1, REPLAY_PLAN: plan_id},
    )
