"""Runs a plan: each message is forecast again right before it is sent, until the plan is done, paused or stopped."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError

from chassis.messaging.headers import ATTEMPT, FAILURE, ORIGIN, REPLAY_PLAN, known_headers
from chassis.storage.audit_log import AuditLog
from chassis.storage.store import Store
from ops.core.dead_letters.letters import DeadLetters, Stage
from ops.core.dry_run import NO_QUEUE, DryRun, Forecast
from ops.core.large_bodies import BodyGoneError
from ops.core.messages import RecordedMessage
from ops.core.replay.claims import Claims
from ops.core.replay.drift import forecast_now, is_as_planned
from ops.core.replay.plans import Plan, Planned, Plans, PlanStage, Result
from psp_adapter.accounts import Accounts

_TAKEN_WITHIN = 10.0
_LOOK_EVERY = 0.5
"""Seconds between checks of the dead queues for messages of this plan that failed again."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run."""

    who: str
    why: str
    rate: float = 10.0
    """Messages per second."""
    stop_after: int = 1
    """The number of messages failing again that ends the run."""
    accept_changes: bool = False
    """Also send messages whose forecast is no longer the plan's."""
    again: bool = False
    """Also send messages that another plan has sent."""
    settle: float = 1.0
    """Seconds to wait once the queues are empty, for the last message to be handled or parked again."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run."""

    stage: PlanStage
    sent: int
    skipped: int
    failed: int
    left: int
    reason: str = ""
    """The reason why it stopped early."""

    def __str__(self) -> str:
        counts = f"{self.sent} sent, {self.skipped} skipped, {self.failed} failed again, {self.left} left"
        return f"{self.stage}: {counts}. {self.reason}".strip()


class NotRunnableError(Exception):
    """The plan is done, or another run is in progress."""

    def __init__(self, plan_id: str, stage: PlanStage) -> None:
        hint = {
            PlanStage.RUNNING: "a run is in progress; one that died shows as interrupted after a minute",
            PlanStage.DONE: "make a new one",
        }
        super().__init__(f"{plan_id} is {stage}: {hint.get(stage, 'it was changed meanwhile')}.")


class ForecastChangedError(Exception):
    """The forecast of a message has changed. It was not sent."""

    def __init__(self, item: Planned, now: Forecast) -> None:
        super().__init__(
            f"Message {item.number} was not sent: its forecast was {item.forecast.in_full}, and is now {now.in_full}."
        )


class Runner:
    """Carries out plans over one connection."""

    def __init__(self, store: Store, connection: AbstractConnection, psp: Accounts | None = None) -> None:
        self._dry_run = partial(DryRun, store, psp)
        self._connection = connection
        self._login = connection.url.user or "guest"  # type: ignore[attr-defined]
        self._plans = Plans(store)
        self._letters = DeadLetters(store, connection)
        self._claims = Claims(store)
        self._audit = AuditLog(store)

    async def run(
        self, plan_id: str, orders: RunOptions, progress: Callable[[Planned], None] = lambda _: None
    ) -> Report:
        """Run the rest of a plan. A pause, by any operator, ends the run after its current message.

        Each message is forecast again right before it is sent. If the forecast differs from the plan's, the run stops
        without sending it, unless `orders` accept changes. Raises NoSuchPlanError and NotRunnableError.
        """
        plan, items = await self._plans.named(plan_id)
        if plan.stage in (PlanStage.RUNNING, PlanStage.DONE):
            raise NotRunnableError(plan_id, plan.stage)
        left = [item for item in items if item.result is None]
        what = f"{len(left)} of {plan.messages} messages, {plan.source}: {plan.description}; {orders.rate:g}/s"
        what += "; changed forecasts are accepted" if orders.accept_changes else ""
        what += "; also what other plans have sent" if orders.again else ""
        async with self._audit.recorded("replay", orders.who, orders.why, (plan_id,), what) as act:
            run_id = await self._plans.begin(plan)
            if run_id is None:
                raise NotRunnableError(plan_id, (await self._plans.header(plan_id)).stage)
            end, reason = PlanStage.PAUSED, "it was broken off"
            try:
                end, reason = await self._send_all(left, run_id, orders, progress)
            finally:
                await self._plans.end(plan_id, run_id, end, reason)
            report = await self.report(plan_id)
            act.outcome = str(report)
        return report

    async def report(self, plan_id: str) -> Report:
        """The progress of a plan."""
        return report_of(*await self._plans.named(plan_id))

    async def _send_all(
        self, items: list[Planned], run_id: str, orders: RunOptions, progress: Callable[[Planned], None]
    ) -> tuple[PlanStage, str]:
        async with self._connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
            return await self._send_over(channel, items, run_id, orders, progress)

    async def _send_over(
        self,
        channel: AbstractChannel,
        items: list[Planned],
        run_id: str,
        orders: RunOptions,
        progress: Callable[[Planned], None],
    ) -> tuple[PlanStage, str]:
        """The stage in which the run ends, and why, unless it is done."""
        sent: dict[str, Planned] = {}
        failed: set[str] = set()
        looked_at = monotonic()
        for item in items:
            if not await self._plans.heartbeat(item.plan_id, run_id):
                return PlanStage.PAUSED, ""
            try:
                is_sent = await self._send(channel, item, sent.values(), orders)
            except ForecastChangedError as changed:
                await self._plans.note(item, None, str(changed))
                return PlanStage.STOPPED, str(changed)
            if is_sent:
                sent[item.message.message_id] = item
                await asyncio.sleep(1 / orders.rate)
            progress(item)
            if monotonic() - looked_at > _LOOK_EVERY:
                failed |= await self._failed_again(sent)
                looked_at = monotonic()
            if len(failed) >= orders.stop_after:
                return PlanStage.STOPPED, f"{len(failed)} failed again"
        if sent:
            await self._wait_until_consumed(channel, {item.queue for item in sent.values()})
            await asyncio.sleep(orders.settle)
            await self._failed_again(sent)
        return PlanStage.DONE, ""

    async def _wait_until_consumed(self, channel: AbstractChannel, queues: set[str]) -> None:
        """Wait until services have consumed the sent messages, but not for a service that is down."""
        until = monotonic() + _TAKEN_WITHIN
        while monotonic() < until:
            declared = [(await channel.declare_queue(name, passive=True)).declaration_result for name in queues]
            if not any(queue.message_count for queue in declared):
                return
            await asyncio.sleep(0.1)

    async def _send(
        self, channel: AbstractChannel, item: Planned, sent: Collection[Planned], orders: RunOptions
    ) -> bool:
        """Send one message. False if it was skipped, with the reason recorded. Raises ForecastChangedError."""
        try:
            message = await self._letters.bodies.whole(item.message)
        except BodyGoneError as gone:
            await self._plans.note(item, Result.SKIPPED, str(gone))
            return False
        forecast = await forecast_now(self._dry_run, item, message, sent)
        if forecast.is_handled_already:
            await self._plans.note(item, Result.SKIPPED, "handled already")
            if item.letter_id:
                await self._take_letter(item)
            return False
        if not item.queue:
            await self._plans.note(item, Result.SKIPPED, NO_QUEUE)
            return False
        misroute = message.misroute(item.queue)
        if misroute:
            await self._plans.note(item, Result.SKIPPED, misroute)
            return False
        if not is_as_planned(item.forecast, forecast) and not orders.accept_changes:
            raise ForecastChangedError(item, forecast)
        if item.letter_id and not await self._take_letter(item):
            await self._plans.note(item, Result.SKIPPED, "no longer waiting: another operator has handled it")
            return False
        holder = await self._claims.take(item, message.body, again=orders.again)
        if holder is not None:
            await self._release_letter(item)
            await self._plans.note(item, Result.SKIPPED, f"{holder} sends it or has sent it; --again sends it anyway")
            return False
        try:
            await channel.default_exchange.publish(
                _resent(message, item.plan_id, self._login), item.queue, mandatory=True
            )
        except (ValueError, TypeError) as unsendable:  # AMQP has no form for it; the others are sent
            await self._release_letter(item)
            await self._claims.give_up(item, message.body)
            await self._plans.note(item, Result.FAILED, f"it cannot be sent: {unsendable}")
            return False
        except BaseException as error:
            await self._release_letter(item)
            if isinstance(error, DeliveryError):  # the broker refused it; after any other failure it may have got it
                await self._claims.give_up(item, message.body)
            raise
        remark = (
            "" if is_as_planned(item.forecast, forecast) else f"its forecast was {item.forecast}, and then {forecast}"
        )
        await self._plans.note(item, Result.SENT, remark)
        return True

    async def _take_letter(self, item: Planned) -> bool:
        letter_id, replayed = item.letter_id or "", Stage.REPLAYED.value
        taken = {"stage": replayed, "plan_id": item.plan_id}
        if await self._letters.records.change(letter_id, taken, stage=Stage.WAITING.value):
            return True
        # A run of this plan may have been killed right after it took the letter.
        return await self._letters.records.change(letter_id, taken, stage=replayed, plan_id=item.plan_id)

    async def _release_letter(self, item: Planned) -> None:
        if item.letter_id:
            waiting = {"stage": Stage.WAITING.value}
            await self._letters.records.change(item.letter_id, waiting, plan_id=item.plan_id)

    async def _failed_again(self, sent: dict[str, Planned]) -> set[str]:
        """Ids of this run's messages that were dead-lettered again."""
        await self._letters.drain()
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
    """The progress of a plan, from the results of its messages."""
    counts = {result: sum(item.result is result for item in items) for result in Result}
    left = sum(item.result is None for item in items)
    return Report(plan.stage, counts[Result.SENT], counts[Result.SKIPPED], counts[Result.FAILED], left, plan.reason)


def _resent(seen: RecordedMessage, plan_id: str, login: str) -> aio_pika.Message:
    """The original message at its first attempt, with known headers only and without a reply address."""
    known = {name: value for name, value in known_headers(seen.headers).items() if name not in FAILURE | ORIGIN}
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
