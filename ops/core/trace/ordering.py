"""Orders the steps of a story.

A cause comes before its consequence; messages keep the log's order; other steps are sorted by their clock.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ops.core.messages import RecordedMessage
from ops.core.trace.model import Participant, Step, StepKind


@dataclass(eq=False, slots=True)
class UnorderedStep:
    """A step without a place in the story yet."""

    kind: StepKind
    at: datetime
    sender: Participant
    what: str
    receivers: tuple[Participant, ...] = ()
    detail: str = ""
    seen: RecordedMessage | None = None
    message_id: str = ""
    message_kind: str = ""
    is_exact: bool = True
    attempt: int = 1
    cause: "UnorderedStep | None" = None
    earlier: "list[UnorderedStep]" = field(default_factory=list)
    """Steps that are known to precede it, besides its cause."""


def numbered(drafts: Sequence[UnorderedStep]) -> Iterator[Step]:
    """The steps, ordered and numbered."""
    numbers: dict[int, int] = {}
    depths: dict[int, int] = {}
    moments: dict[int, datetime] = {}
    for number, draft in enumerate(_in_order(drafts), start=1):
        numbers[id(draft)] = number
        depths[id(draft)] = depth = _depth_under(draft.cause, depths)
        # Clocks differ, and the PSP's counts whole seconds: nothing is dated before its cause, but not exactly then.
        moments[id(draft)] = at = max(draft.at, moments.get(id(draft.cause), draft.at))
        yield Step(
            number=number,
            kind=draft.kind,
            at=at,
            is_exact=draft.is_exact and at == draft.at,
            sender=draft.sender,
            receivers=draft.receivers,
            what=draft.what,
            detail=draft.detail,
            message_kind=draft.message_kind,
            message_id=draft.message_id,
            correlation_id=draft.seen.correlation_id if draft.seen else "",
            attempt=draft.attempt,
            cause=numbers.get(id(draft.cause)) if draft.cause else None,
            depth=depth,
        )


def _depth_under(cause: UnorderedStep | None, depths: dict[int, int]) -> int:
    """Consequences of a message are indented one level; those of a transition or a call are not."""
    if cause is None:
        return 0
    is_message = cause.kind in (StepKind.REQUEST, StepKind.COMMAND, StepKind.EVENT, StepKind.WEBHOOK)
    return depths.get(id(cause), 0) + (1 if is_message else 0)


def _in_order(drafts: Sequence[UnorderedStep]) -> Iterator[UnorderedStep]:
    """Sort by time, but no step before one that it follows from. Steps that follow from each other lose no step: the
    earliest of them comes first."""
    waits_for = {id(draft): {id(other) for other in _before(draft)} for draft in drafts}
    followers: dict[int, list[int]] = {}
    for index, draft in enumerate(drafts):
        for other in _before(draft):
            followers.setdefault(id(other), []).append(index)
    left = {index: draft.at for index, draft in enumerate(drafts)}
    ready = [(at, index) for index, at in left.items() if not waits_for[id(drafts[index])]]
    heapq.heapify(ready)
    while left:
        _, index = heapq.heappop(ready) if ready else min((at, index) for index, at in left.items())
        if left.pop(index, None) is None:
            continue
        draft = drafts[index]
        yield draft
        for follower in followers.get(id(draft), ()):
            waiting = waits_for[id(drafts[follower])]
            waiting.discard(id(draft))
            if not waiting:
                heapq.heappush(ready, (drafts[follower].at, follower))


def _before(draft: UnorderedStep) -> list[UnorderedStep]:
    return [*draft.earlier, *([draft.cause] if draft.cause else [])]
