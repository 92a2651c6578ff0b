"""A story as a Mermaid sequence diagram: pure, story in, text out.

Syntax: https://mermaid.js.org/syntax/sequenceDiagram.html
"""

from collections.abc import Iterator

from ops.core.trace.captions import Pause, caption, rows
from ops.core.trace.labels import shortened
from ops.core.trace.model import Participant, Step, StepKind, Story

_ARROWS = {
    StepKind.REQUEST: "->>",
    StepKind.COMMAND: "->>",
    StepKind.CALL: "->>",
    StepKind.EVENT: "--)",
    StepKind.WEBHOOK: "--)",
    StepKind.LOST_CALL: "--x",
}
# `;` would end the statement, `#` begin an entity, `<` a tag.
_SPECIAL = str.maketrans({";": "#59;", "#": "#35;", "<": "#lt;", ">": "#gt;"})


def mermaid(story: Story) -> str:
    """The diagram as Markdown renderers take it, without the fence around it."""
    return "\n".join(("sequenceDiagram", *(f"    {line}" for line in _lines(story)))) + "\n"


def _lines(story: Story) -> Iterator[str]:
    for participant in story.participants:
        word = "actor" if participant in (Participant.GUEST, Participant.STAFF) else "participant"
        yield f"{word} {participant}"
    for row in rows(story):
        if isinstance(row, Pause):
            yield f"Note over {story.participants[0]},{story.participants[-1]}: {_escaped(row.words)}"
        else:
            yield from _lines_of(row)


def _lines_of(step: Step) -> Iterator[str]:
    said = caption(step)
    match step.kind:
        case StepKind.RETRY:
            yield f"{step.sender}--x{step.sender}: {_escaped(said.headline)}<br/>{_escaped(said.detail)}"
        case StepKind.PARKING:
            yield f"Note over {step.sender}: ✗ {_escaped(said.headline)}<br/>{_escaped(said.detail)}"
        case StepKind.TRANSITION | StepKind.DEADLINE:
            mark = "⏰ " if step.kind is StepKind.DEADLINE else ""
            yield f"Note over {step.sender}: {mark}{_escaped(said.headline)}"
        case _:
            # An event without a queue goes to all subscribers; Mermaid can show that only as a loop.
            for receiver in step.receivers or (step.sender,):
                yield f"{step.sender}{_ARROWS[step.kind]}{receiver}: {_escaped(said.headline)}"


def _escaped(text: str) -> str:
    return shortened(text).translate(_SPECIAL) or "-"
