"""Captions of steps in diagrams, short enough to fit between two lifelines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from ops.core.trace.labels import since
from ops.core.trace.model import Step, StepKind, Story

LATER = timedelta(seconds=1)
"""Pauses of at least this length are shown in a diagram: equal distances would hide them."""

_ANSWER = re.compile(r"(?P<asked>\S+ \S+) (?P<answer>(?:\d{3}|not answered) in .*)")
_OBJECT = re.compile(r" /v1/\w+/(?=[a-z]+_)")
_LONG_ID = re.compile(r"\b((?:ord|pay|ref|pi|re|evt|ch|dp|txn)_\w{5})\w{3,}")


@dataclass(frozen=True, slots=True)
class Caption:
    headline: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause without steps."""

    words: str


def rows(story: Story) -> Iterator[Step | Pause]:
    """The steps, with a pause wherever more than a moment passed."""
    before: Step | None = None
    for step in story.steps:
        if before is not None and step.is_exact and before.is_exact and step.at - before.at >= LATER:
            yield Pause(f"{since(step.at - before.at).removeprefix('+')} later")
        yield step
        before = step


def caption(step: Step) -> Caption:
    """A step in a few words, with shortened ids; the text has them in full."""
    headline, detail = _words(step)
    again = f" (attempt {step.attempt})" if step.attempt > 1 and not step.kind.is_failure else ""
    return Caption(_with_short_ids(headline) + again, _with_short_ids(detail))


def _words(step: Step) -> tuple[str, str]:
    match step.kind:
        case StepKind.REQUEST:
            return step.what.replace("/v1/orders/…/", "…/"), step.detail
        case StepKind.CALL | StepKind.LOST_CALL if said := _ANSWER.fullmatch(step.what):
            return _OBJECT.sub(" …/", said["asked"]), said["answer"]
        case StepKind.WEBHOOK:
            came_by, _, rest = step.what.partition(" ")
            event_id, _, event_type = rest.partition(" ")
            return event_type or step.what, f"{came_by} {event_id}"
        case StepKind.RETRY:
            again = step.detail.rpartition("; ")[2]
            return f"attempt {step.attempt} failed, {again}", f"{step.what}: {step.detail.rpartition('; ')[0]}"
        case StepKind.PARKING:
            return f"parked: {step.what}", step.detail
        case _:
            return step.what, step.detail


def _with_short_ids(text: str) -> str:
    return _LONG_ID.sub(r"\1…", text)
