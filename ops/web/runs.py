"""Runs of plans that this process has started, independent of open pages."""

import asyncio
from contextlib import suppress
from time import monotonic

import structlog

from chassis.errors import TransientError
from chassis.runtime import background
from ops.core.plain import error_text
from ops.core.replay.plans import Plans, PlanStage
from ops.core.replay.run import NotRunnableError, Runner, RunOptions
from ops.core.session import OperatorSession
from ops.web.session import ReconnectingSession

log = structlog.get_logger()

_STOP_WITHIN, _LOOK_EVERY = 5.0, 0.2


class Runs:
    """At most one run per plan, each over a separate connection."""

    def __init__(self, desk: ReconnectingSession) -> None:
        self._desk = desk
        self._running: dict[str, asyncio.Task[None]] = {}
        self._errors: dict[str, str] = {}

    async def begin(self, desk: OperatorSession, plan_id: str, orders: RunOptions) -> None:
        """Run the rest of a plan. Raises NoSuchPlanError and NotRunnableError."""
        plan = await desk.plans.header(plan_id)
        if plan.stage in (PlanStage.RUNNING, PlanStage.DONE) or self.is_running(plan_id):
            raise NotRunnableError(plan_id, PlanStage.RUNNING if self.is_running(plan_id) else plan.stage)
        self._errors.pop(plan_id, None)
        self._running[plan_id] = background.start(self._run(plan_id, orders), f"run of {plan_id}")

    def is_running(self, plan_id: str) -> bool:
        """Whether this process is running it."""
        return plan_id in self._running

    def last_error(self, plan_id: str) -> str | None:
        """The error of the last run started here, if it failed."""
        return self._errors.get(plan_id)

    async def stop(self) -> None:
        """Pause all runs and wait until they have stopped."""
        until, plans = monotonic() + _STOP_WITHIN, Plans(self._desk.store)
        with suppress(TransientError):  # then they end below
            while self._running and monotonic() < until:
                for plan_id in list(self._running):  # again and again: one may only be about to begin
                    await plans.pause(plan_id)
                if going := list(self._running.values()):  # the last one may have ended while the store was asked
                    await asyncio.wait(going, timeout=_LOOK_EVERY)
        await background.stop(*self._running.values())  # what is late ends as paused, too

    async def _run(self, plan_id: str, orders: RunOptions) -> None:
        try:
            async with self._desk.target.connection() as connection:
                await Runner(self._desk.store, connection).run(plan_id, orders)
        except Exception as error:
            self._errors[plan_id] = error_text(error)
            log.warning("run.broke", plan_id=plan_id, error=self._errors[plan_id])
        finally:
            del self._running[plan_id]
