"""Operators: what people do with `bellhop` and the operator's page, on the code below both, at any time.

Each of them is a process of the simulation, and may be killed in the middle of anything.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

from chassis.errors import TransientError
from chassis.runtime.metrics import Metrics
from contracts.ids import OrderId
from contracts.orders import Guest
from extras_service.collections import ExtrasStore
from ops.core import dead_letter_actions as actions
from ops.core import replay_planning as planning
from ops.core.dead_letters.editing import EditError
from ops.core.dead_letters.letters import DeadLetter, NoSuchLetterError, Stage
from ops.core.guests import ledger
from ops.core.guests.erase import NotErasableError, carry_out, propose
from ops.core.guests.known import loaded
from ops.core.message_log import excerpt
from ops.core.messages import WORK_QUEUES, Filter
from ops.core.replay.plans import PlanStage
from ops.core.replay.run import NotRunnableError, RunOptions
from ops.core.session import OperatorSession
from ops.core.target import Target
from ops.core.trace.collect import UnknownOrderError, story_in
from ops.web.session import ReconnectingSession
from tests.simulation.recording import Recording

WHY = "the simulation"
_INSISTS_AFTER = 4
"""Plans at the end, after which they send again what another plan has claimed."""
MALFORMED = "MalformedMessageError"

_FORESEEN = (TransientError, AMQPError, ChannelInvalidStateError, OSError)
"""What a command reports, and its operator tries again later."""
_TAKEN = (NotRunnableError, EditError, NoSuchLetterError, UnknownOrderError, NotErasableError)
"""Another one was first."""


@dataclass
class Shift:
    """What all operators of a history share."""

    random: Random
    target: Target
    log: Recording
    guests: Callable[[], list[Guest]]
    """Those that have asked to be erased, as far as an operator of this history cares."""
    counted: Counter[str] = field(default_factory=Counter)
    """What was done, and what came of it."""
    is_tidying: bool = False
    """The faults are over: they decide all that waits, and do nothing else."""
    again: set[str] = field(default_factory=set)
    """Plans that were run with `--again`: letters that another plan has sent, or may have sent, still wait."""
    tidied: int = 0
    """Plans that were made for that."""
    erased: dict[Guest, bool] = field(default_factory=dict)
    """Those that were to be erased; and whether that was done after all that waited was decided."""
    open_when_erased: set[OrderId] = field(default_factory=set)
    """Orders of theirs that were not final, with dead letters that were left."""

    @property
    def unerased(self) -> list[Guest]:
        return [guest for guest, is_done in self.erased.items() if not is_done]

    def tidy(self) -> None:
        """The faults are over. What was left of guests that were erased is erased again."""
        self.is_tidying, self.erased = True, dict.fromkeys(self.erased, False)

    def desk(self, name: str) -> "Desk":
        return Desk(self, name)


class Desk:
    """One operator's process: built and started as a service is."""

    def __init__(self, shift: Shift, name: str) -> None:
        self._shift = shift
        self._name = name
        self._random = shift.random
        self._session = ReconnectingSession(shift.target, Metrics("bellhop"))
        self._log_reads = 0
        self.router = SimpleNamespace(lifespan_context=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncIterator[None]:
        work = asyncio.ensure_future(self._work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            await self._session.close()

    async def _work(self) -> None:
        while True:
            if self._shift.is_tidying:
                await self._tried("tidy up", self._tidy)
                await asyncio.sleep(20.0)
                continue
            await asyncio.sleep(self._random.uniform(5.0, 180.0))
            names, weights = zip(*((name, weight) for name, (weight, _) in _WORK.items()), strict=True)
            (name,) = self._random.choices(names, weights)
            await self._tried(name, partial(_WORK[name][1], self))

    async def _tried(self, name: str, work: Callable[[OperatorSession], Awaitable[None]]) -> None:
        try:
            await work(await self._session())
        except _FORESEEN as error:
            self._count(name, "failed")
            self._shift.log.warning("operator.failed", doing=name, error=repr(error))
        except _TAKEN as error:
            self._count(name, "too late")
            self._shift.log.info("operator.late", doing=name, error=str(error))
        else:
            self._count(name, "done")

    def _count(self, name: str, how: str) -> None:
        self._shift.counted[f"{name}: {how}"] += 1

    # Looking

    async def look(self, desk: OperatorSession) -> None:
        letters = await actions.find(desk, Filter(), None)
        await desk.plans.all()
        if letters:
            await actions.describe(desk, self._random.choice(letters).letter_id)

    async def trace(self, desk: OperatorSession) -> None:
        letters = await actions.find(desk, Filter(), None)
        about = [letter.message.order_id for letter in letters if letter.message.order_id]
        if about:
            await story_in(desk.store, partial(excerpt.read, desk.log), self._random.choice(about))

    # Deciding

    async def correct(self, desk: OperatorSession) -> None:
        for letter in await actions.find(desk, Filter(error=MALFORMED)):
            if b'"reason": 7' in letter.message.body:
                with suppress(EditError):
                    await actions.edit(desk, letter.letter_id, who=self._name, why=WHY, assignments=["reason=typo"])

    async def discard(self, desk: OperatorSession) -> None:
        letters = self._some(await actions.find(desk, Filter()))
        await actions.set_stage(desk, letters, Stage.DISCARDED, "discard", who=self._name, why=WHY)

    async def restore(self, desk: OperatorSession) -> None:
        letters = await actions.find(desk, Filter(), Stage.DISCARDED)
        letters = [letter for letter in letters if not is_without_guest(letter.message.body)]
        await actions.set_stage(desk, letters, Stage.WAITING, "restore", who=self._name, why=WHY)

    async def erase(self, desk: OperatorSession) -> None:
        """One of the guests that have ordered, whatever has become of their orders."""
        guests = self._shift.guests()
        if guests:
            await self._erase(desk, self._random.choice(guests))

    async def _erase(self, desk: OperatorSession, guest: Guest) -> None:
        self._shift.erased[guest] = False
        proposal = await propose(desk, guest.guest_id, guest.property_id)
        report = await carry_out(desk, proposal, who=self._name, why=WHY)
        self._shift.erased[guest] = not report.unanswered
        self._shift.open_when_erased.update(report.to_be_erased if report.left else ())

    async def put_back(self, desk: OperatorSession) -> None:
        letters = [letter for letter in await actions.find(desk, Filter()) if letter.outbox_of]
        await actions.put_back(desk, letters, who=self._name, why=WHY)

    async def replay(self, desk: OperatorSession) -> None:
        letters = self._some([letter for letter in await actions.find(desk, Filter()) if not letter.outbox_of])
        if letters:
            plan, _ = await planning.of_letters(desk, [each.letter_id for each in letters], Filter(), self._name)
            if self._random.random() < 0.7:
                await self._run(desk, plan.plan_id)

    async def replay_log(self, desk: OperatorSession) -> None:
        """Of one order, or everything of the last minute, to one or two queues."""
        to = [queue.name for queue in self._random.sample(WORK_QUEUES, self._random.choice((1, 2)))]
        wanted, begin = Filter(), self._random.choice(("first", 0))
        newest = await desk.log.newest()
        if newest is not None:
            begin = max(0, newest - self._random.choice((20, 100)))
        plan, _ = await planning.of_log(desk, to, wanted, begin, self._name)
        await self._run(desk, plan.plan_id)

    async def run(self, desk: OperatorSession) -> None:
        left = [plan for plan in await desk.plans.all() if plan.stage not in (PlanStage.DONE, PlanStage.RUNNING)]
        if left:
            await self._run(desk, self._random.choice(left).plan_id)

    async def pause(self, desk: OperatorSession) -> None:
        running = [plan for plan in await desk.plans.all() if plan.stage is PlanStage.RUNNING]
        if running:
            await planning.pause(desk, self._random.choice(running).plan_id, who=self._name, why=WHY)

    async def _run(self, desk: OperatorSession, plan_id: str, **options: Any) -> None:
        chosen = {"accept_changes": self._random.random() < 0.5, "stop_after": self._random.choice((1, 99)), **options}
        report = await desk.runner.run(plan_id, RunOptions(self._name, WHY, rate=20.0, **chosen))
        self._shift.counted["messages sent again"] += report.sent

    def _some(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        return [letter for letter in letters if self._random.random() < 0.7]

    # At the end

    async def _tidy(self, desk: OperatorSession) -> None:
        """As docs/operations.md says: first what was begun, then all that waits."""
        for plan in await desk.plans.all():
            if plan.source == "dead" and plan.stage not in (PlanStage.DONE, PlanStage.RUNNING):
                await self._run(desk, plan.plan_id, accept_changes=True, stop_after=99)
        await self.restore(desk)
        await self.correct(desk)
        await self.put_back(desk)
        whole = [letter for letter in await actions.find(desk, Filter()) if is_replayable(letter)]
        if whole:
            plan, _ = await planning.of_letters(desk, [each.letter_id for each in whole], Filter(), self._name)
            self._shift.tidied += 1
            again = self._shift.tidied > _INSISTS_AFTER
            if again:
                self._shift.again.add(plan.plan_id)
            await self._run(desk, plan.plan_id, accept_changes=True, stop_after=99, again=again)
            self._shift.erased = dict.fromkeys(self._shift.erased, False)
            return
        unerased = self._shift.unerased
        for guest in unerased:
            await self._erase(desk, guest)
        orders = await loaded(ExtrasStore(desk.store).orders, sorted(self._shift.open_when_erased))
        final = {order.order_id for _, order in orders if order.erased_at is not None}
        if unerased or final:  # dead letters that came since, and those that were left
            await ledger.erase_again(desk, (), who=self._name, why=WHY)
            self._shift.open_when_erased -= final


def is_without_guest(body: object) -> bool:
    """Whether it is of a guest that was erased, as it is or as it is stored: such a command is discarded for good."""
    return '"erased-' in str(body)


def is_replayable(letter: DeadLetter) -> bool:
    return not letter.outbox_of and b'"reason": 7' not in letter.message.body


_WORK: dict[str, tuple[int, Callable[[Desk, OperatorSession], Awaitable[None]]]] = {
    "look": (30, Desk.look),
    "trace": (4, Desk.trace),
    "correct": (10, Desk.correct),
    "discard": (6, Desk.discard),
    "restore": (8, Desk.restore),
    "put back": (8, Desk.put_back),
    "replay": (16, Desk.replay),
    "erase": (6, Desk.erase),
    "replay of the log": (5, Desk.replay_log),
    "run": (8, Desk.run),
    "pause": (5, Desk.pause),
}
