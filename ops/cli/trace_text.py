"""Renders a story as text: one line per step, indented under its cause."""

from collections.abc import Iterator

from rich.text import Text

from ops.core.trace.labels import since
from ops.core.trace.model import Participant, Step, StepKind, Story

_WHO = 20
_MARKS = {
    StepKind.TRANSITION: ("● ", "green"),
    StepKind.DEADLINE: ("⏰ ", "green"),
    StepKind.RETRY: ("↻ ", "red"),
    StepKind.PARKING: ("✗ ", "bold red"),
    StepKind.LOST_CALL: ("", "red"),
    StepKind.REQUEST: ("", "bold"),
    StepKind.COMMAND: ("", "cyan"),
    StepKind.EVENT: ("", "blue"),
}


def lines(story: Story) -> Iterator[Text]:
    """The whole story. Times are UTC; `~` marks those known to the second only."""
    yield Text.assemble((story.order_id, "bold"), "  ", story.payment_id, "  trace ", story.trace_id)
    if story.summary:
        yield Text("  ".join(f"{name}: {summary}" for name, summary in story.summary.items() if summary))
    for action in story.actions:
        yield Text(action)
    for remark in story.remarks:
        yield Text(remark, style="yellow")
    yield Text()
    day = None
    for step in story.steps:
        if step.at.date() != day:
            day = step.at.date()
            yield Text(f"{day:%A, %d %B %Y} (UTC)", style="dim")
        yield line(step, story.steps[0])


def line(step: Step, first: Step) -> Text:
    """One step: when, how long after the first, who, and what."""
    mark, style = _MARKS.get(step.kind, ("", ""))
    moment = f"{step.at:%H:%M:%S}.{step.at.microsecond // 1000:03}" if step.is_exact else f"~{step.at:%H:%M:%S}   "
    text = Text.assemble(
        (f"{moment:>12}", "dim"),
        (f"{since(step.at - first.at):>13}  ", "dim"),
        f"{who(step):<{_WHO}}",
        "  " * step.depth,
    )
    text.append(f"{mark}{step.what}", style)
    if step.attempt > 1 and step.kind is not StepKind.RETRY:
        text.append(f" (attempt {step.attempt})", "red")
    if step.detail:
        text.append(f"  {_before_detail(step)}{step.detail}", "red" if step.kind.is_failure else "dim")
    return text


def _before_detail(step: Step) -> str:
    match step.kind:
        case StepKind.RETRY:
            return f"attempt {step.attempt} failed: "
        case StepKind.PARKING:
            return f"parked after {step.attempt} attempt{'s' if step.attempt > 1 else ''}: "
        case _:
            return ""


def who(step: Step) -> str:
    """`gateway → extras`, without a receiver if the step stays within its sender or no queue takes it."""
    receivers: tuple[str | Participant, ...] = step.receivers
    if step.kind is StepKind.EVENT and not receivers:
        receivers = ("·",)
    return f"{step.sender} → {', '.join(receivers)}" if receivers else str(step.sender)
