"""Actions on dead letters, for the command and the page. Every action is recorded before it is performed."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chassis.storage.audit_log import AuditLog
from ops.core.dead_letters.editing import apply_assignments, edited, replace_at
from ops.core.dead_letters.letters import DeadLetter, Stage
from ops.core.dry_run import DryRun, Forecast
from ops.core.message_log import excerpt
from ops.core.message_log.excerpt import Excerpt
from ops.core.message_log.stream import NoLogError
from ops.core.messages import Filter
from ops.core.session import OperatorSession

_SHOWN = 10_000
"""Characters of a body in the record of an edit."""


@dataclass(frozen=True, slots=True)
class LetterDetails:
    """A letter with its forecast and context."""

    letter: DeadLetter
    forecast: Forecast
    timeline: list[dict[str, Any]]
    """Messages about its order, from the log: all of a short one, of a long one those around the letter's failure."""


async def find(desk: OperatorSession, wanted: Filter, stage: Stage | None = Stage.WAITING) -> list[DeadLetter]:
    """Drain the dead queues; return the letters in a stage (None: any) that match the filter."""
    await desk.letters.drain()
    return await desk.letters.matching(wanted, stage)


async def select(
    desk: OperatorSession, ids: Sequence[str] | None, wanted: Filter, stage: Stage = Stage.WAITING
) -> list[DeadLetter]:
    """The letters that ids name, or without any, that a filter finds; only those in the stage.

    Raises NoSuchLetterError.
    """
    if not ids:
        return await find(desk, wanted, stage)
    await desk.letters.drain()
    return [letter for letter in await desk.letters.named(ids) if letter.stage is stage and letter.is_wanted(wanted)]


async def describe(desk: OperatorSession, letter_id: str) -> LetterDetails:
    """A letter, the forecast of its replay, and the messages of its order in the log.

    Raises NoSuchLetterError.
    """
    await desk.letters.drain()
    (letter,) = await desk.letters.named([letter_id])
    forecast = await DryRun(desk.store, desk.psp).forecast(
        await desk.letters.bodies.whole(letter.message), letter.queue
    )
    times = [time for time in (letter.message.sent_at, letter.failed_at, letter.taken_in_at) if time is not None]
    wanted, timeline = Excerpt("first", times), []
    if letter.message.order_id:
        with suppress(NoLogError):
            async for seen in excerpt.read(desk.log, wanted):
                if seen.order_id == letter.message.order_id:
                    timeline.append(
                        {
                            "sent_at": seen.sent_at,
                            "kind": seen.kind,
                            "message_id": seen.message_id,
                            "ended": seen.headers.get("ended"),
                            "error": seen.error,
                        }
                    )
    return LetterDetails(letter, forecast, timeline)


async def set_stage(
    desk: OperatorSession, letters: Sequence[DeadLetter], to: Stage, action: str, *, who: str, why: str
) -> int:
    """Move letters to another stage. Returns their number; another operator has moved the others."""
    ids = tuple(letter.letter_id for letter in letters)
    async with AuditLog(desk.store).recorded(action, who, why, ids) as act:
        moved = 0
        for letter in letters:
            moved += await desk.letters.move(letter, to)
            act.outcome = f"{moved} of {len(letters)} letters are {to}"
    return moved


async def put_back(desk: OperatorSession, letters: Sequence[DeadLetter], *, who: str, why: str) -> int:
    """Return letters that never left an outbox to it: their services publish them again. Returns their number; the
    others have no document any more, were moved by another operator, or come from a queue."""
    ids = tuple(letter.letter_id for letter in letters)
    async with AuditLog(desk.store).recorded("put back", who, why, ids) as act:
        done = 0
        for letter in letters:
            done += await desk.letters.put_back(letter)
            act.outcome = f"{done} of {len(letters)} letters are back in their outboxes"
    return done


async def delete(desk: OperatorSession, letters: Sequence[DeadLetter], *, who: str, why: str) -> int:
    """Delete letters permanently. Returns their number."""
    ids = tuple(letter.letter_id for letter in letters)
    async with AuditLog(desk.store).recorded("empty", who, why, ids, f"{len(ids)} letters to delete") as act:
        deleted = await desk.letters.remove(letters)
        act.outcome = f"{deleted} letters are deleted"
    return deleted


async def edit(
    desk: OperatorSession,
    letter_id: str,
    *,
    who: str,
    why: str,
    assignments: Sequence[str] = (),
    body: bytes | None = None,
    kind: str | None = None,
    may_change_identity: bool = False,
) -> DeadLetter:
    """Replace a letter by a corrected copy: a whole new body, fields assigned in it or in the old one, another kind.

    Raises EditError and NoSuchLetterError; nothing is changed then.
    """
    await desk.letters.drain()
    (letter,) = await desk.letters.named([letter_id])
    whole = letter.model_copy(update={"message": await desk.letters.bodies.whole(letter.message)})
    given = whole.message.body if body is None else body
    new_body = apply_assignments(given, assignments) if assignments else given
    fresh = edited(whole, new_body, kind=kind, may_change_identity=may_change_identity)
    ids = tuple(filter(None, (letter.letter_id, fresh.letter_id, letter.message.order_id)))
    async with AuditLog(desk.store).recorded("edit", who, why, ids, _difference(letter, fresh)):
        await replace_at(desk.letters, letter, fresh)
    return fresh


def _difference(old: DeadLetter, new: DeadLetter) -> str:
    return " became ".join(f"{one.message.kind} {str(one.message.readable_body())[:_SHOWN]}" for one in (old, new))
