"""Creates plans from dead letters and from the log, and pauses runs."""

from collections.abc import Sequence
from dataclasses import replace

from chassis.storage.audit_log import AuditLog
from ops.core import dead_letter_actions as actions
from ops.core.message_log.search import matching
from ops.core.message_log.stream import Offset
from ops.core.messages import Filter, RecordedMessage
from ops.core.replay.plans import Plan, Planned
from ops.core.session import OperatorSession


async def of_letters(
    desk: OperatorSession, ids: Sequence[str] | None, wanted: Filter, made_by: str
) -> tuple[Plan, list[Planned]]:
    """A plan for waiting dead letters, each to the queue it came from. Raises NoSuchLetterError."""
    letters = await actions.select(desk, ids, wanted)
    items = [(letter.message, letter.queue, letter.letter_id) for letter in letters]
    return await desk.plans.make("dead", ", ".join(ids) if ids else str(wanted), made_by, items)


async def of_log(
    desk: OperatorSession, to: Sequence[str], wanted: Filter, begin: Offset, made_by: str
) -> tuple[Plan, list[Planned]]:
    """A plan for messages of the log that went to the queues `to`, in the log's order; no other queue gets them.

    Raises NoLogError.
    """
    filters = {queue: replace(wanted, queue=queue) for queue in to}
    found = _once([seen async for seen in matching(desk.log, begin, replace(wanted, queue=None))])
    items = [(seen, queue, None) for seen in found for queue, its in filters.items() if its.matches(seen)]
    described = str(replace(wanted, queue=", ".join(to)))
    return await desk.plans.make("log", described, made_by, items)


async def pause(desk: OperatorSession, plan_id: str, *, who: str, why: str) -> bool:
    """Pause a run after its current message. False if the plan is not running. Raises NoSuchPlanError."""
    await desk.plans.header(plan_id)
    async with AuditLog(desk.store).recorded("pause", who, why, (plan_id,)) as act:
        is_paused = await desk.plans.pause(plan_id)
        act.outcome = "paused" if is_paused else "it was not running"
    return is_paused


def _once(found: Sequence[RecordedMessage]) -> list[RecordedMessage]:
    """A message that was published twice under one id is sent once."""
    return list({seen.message_id or str(seen.offset): seen for seen in found}.values())
