"""Renders a story as an SVG sequence diagram, light or dark by the reader's system. Pure."""

from collections.abc import Iterator
from html import escape

from ops.core.trace.captions import Caption, Pause, caption, rows
from ops.core.trace.model import Participant, Step, StepKind, Story

_LEFT, _TOP, _BETWEEN, _RIGHT = 130, 16, 210, 110
_HEAD = 30
_ARROW_ROW, _DETAIL, _NOTE_ROW, _PAUSE_ROW = 36, 8, 32, 30
_OUT = 70
"""Length of the arrow of an event without a queue."""

# Average widths of a character, in the sizes used below: what does not fit is cut, and whole in the tooltip.
_WIDE, _NARROW = 6.7, 5.6

STYLE = """
.trace { --paper: #fff; --ink: #1c2430; --dim: #66717f; --line: #c5cdd6; --box: #eef2f6; --command: #0b5cad;
  --event: #5b3fb0; --good: #17703c; --note: #e7f5ec; --bad: #b3261e; --alarm: #fdeceb;
  background: var(--paper); font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .trace { --paper: #12161c; --ink: #e6ebf1; --dim: #93a0ae; --line: #3b4653;
  --box: #1f2731; --command: #7cb7f5; --event: #b6a1f7; --good: #7fd8a0; --note: #16291f; --bad: #ff8a80;
  --alarm: #33191a; } }
.trace text { font-size: 12px; fill: var(--ink); stroke: var(--paper); stroke-width: 4px; paint-order: stroke;
  stroke-linejoin: round; }
.trace .detail { font-size: 10px; fill: var(--dim); }
.trace .time { font-size: 10px; fill: var(--dim); font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
.trace .lifeline { stroke: var(--line); }
.trace .head rect { fill: var(--box); stroke: var(--line); }
.trace .head text { font-weight: 600; stroke: none; }
.trace .arrow { fill: none; stroke: var(--ink); stroke-width: 1.4; }
.trace .tip { fill: var(--ink); stroke: none; }
.trace .command .arrow { stroke: var(--command); } .trace .command .tip { fill: var(--command); }
.trace .event .arrow, .trace .webhook .arrow { stroke: var(--event); }
.trace .event .tip, .trace .webhook .tip { fill: var(--event); }
.trace .retry .arrow, .trace .lost_call .arrow { stroke: var(--bad); stroke-dasharray: 5 4; }
.trace .retry .tip, .trace .lost_call .tip { fill: var(--bad); }
.trace .retry text, .trace .lost_call text, .trace .parking text { fill: var(--bad); }
.trace .cross { stroke: var(--bad); stroke-width: 1.8; }
.trace .note { fill: var(--note); stroke: var(--good); }
.trace .transition text.label, .trace .deadline text.label, .trace .parking text.label { stroke: none; }
.trace .parking .note { fill: var(--alarm); stroke: var(--bad); }
.trace .step:hover .label { text-decoration: underline; }
.trace .pause { stroke: var(--line); stroke-dasharray: 2 5; }
.trace text.time { fill: var(--dim); }
"""


def svg(story: Story) -> str:
    """A standalone document, for browsers and for embedding in a page."""
    return _Drawing(story).text()


class _Drawing:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._x = {who: _LEFT + 60 + index * _BETWEEN for index, who in enumerate(story.participants)}
        self._width = max(self._x.values(), default=_LEFT) + _RIGHT

    def text(self) -> str:
        y = _TOP + _HEAD + 14
        drawn: list[str] = []
        for row in rows(self._story):
            height = _height_of(row)
            drawn.append(self._pause(row, y) if isinstance(row, Pause) else self._step(row, y))
            y += height
        end = y + 6
        lifelines = [
            f'<line class="lifeline" x1="{x}" y1="{_TOP + _HEAD}" x2="{x}" y2="{end}"/>' for x in self._x.values()
        ]
        heads = [self._head(who, top) for top in (_TOP, end) for who in self._x]
        height = end + _HEAD + _TOP
        title = f"What happened to {self._story.order_id}"
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="trace" viewBox="0 0 {self._width} {height}" '
                f'width="{self._width}" height="{height}" role="img" aria-label="{escape(title)}">',
                f"<title>{escape(title)}</title>",
                f"<style>{STYLE}</style>",
                *lifelines,
                *heads,
                *drawn,
                "</svg>\n",
            )
        )

    def _head(self, who: Participant, top: int) -> str:
        x = self._x[who]
        return (
            f'<g class="head"><rect x="{x - 60}" y="{top}" width="120" height="{_HEAD}" rx="6"/>'
            f'<text x="{x}" y="{top + 20}" text-anchor="middle">{escape(who)}</text></g>'
        )

    def _pause(self, pause: Pause, y: int) -> str:
        middle = y + _PAUSE_ROW // 2 - 4
        return (
            f'<g><line class="pause" x1="{_LEFT}" y1="{middle}" x2="{self._width - 20}" y2="{middle}"/>'
            f'<text class="time" x="{_LEFT - 14}" y="{middle + 3}" text-anchor="end">{escape(pause.words)}</text></g>'
        )

    def _step(self, step: Step, y: int) -> str:
        said = caption(step)
        inner = [f"<title>{escape(_tooltip(step))}</title>", self._moment(step, y)]
        if not step.kind.is_arrow and step.kind is not StepKind.RETRY:
            inner += self._note(step, said, y)
        elif step.kind is StepKind.RETRY or step.sender in step.receivers:
            inner += self._loop(step, said, y)
        elif not step.receivers:
            inner += self._flight(step, said, y)
        else:
            for receiver in step.receivers:
                inner += self._arrow(step, receiver, said, y)
        cause = f' data-cause="{step.cause}"' if step.cause else ""
        return f'<g class="step {step.kind}" data-step="{step.number}"{cause}>{"".join(inner)}</g>'

    def _moment(self, step: Step, y: int) -> str:
        clock = f"{step.at:%H:%M:%S}" + (f".{step.at.microsecond // 1000:03}" if step.is_exact else " ~")
        middle = y + (18 if step.kind.is_arrow or step.kind is StepKind.RETRY else 15)
        return (
            f'<text class="time" x="{_LEFT - 14}" y="{middle + 3}" text-anchor="end">{step.number:>3}  {clock}</text>'
        )

    def _arrow(self, step: Step, receiver: Participant, said: Caption, y: int) -> Iterator[str]:
        start, end, at = self._x[step.sender], self._x[receiver], y + 18
        side = 1 if end > start else -1
        room = abs(end - start) - 24
        is_lost = step.kind is StepKind.LOST_CALL
        stop = end - side * (24 if is_lost else 7)
        yield f'<path class="arrow" d="M {start} {at} H {stop}"/>'
        yield _cross(stop, at) if is_lost else _tip(end, at, side)
        yield from _label(said, (start + end) / 2, at, room)

    def _flight(self, step: Step, said: Caption, y: int) -> Iterator[str]:
        start, at = self._x[step.sender], y + 18
        yield f'<path class="arrow" d="M {start} {at} h {_OUT}"/>'
        yield f'<circle class="tip" cx="{start + _OUT + 4}" cy="{at}" r="4"/>'
        yield from _label(said, start + 6, at, _BETWEEN - 16, anchor="start")

    def _loop(self, step: Step, said: Caption, y: int) -> Iterator[str]:
        start, at = self._x[step.sender], y + 10
        # Where the picture ends, the words stand on the other side of the lifeline.
        side = -1 if start > self._width / 2 else 1
        yield f'<path class="arrow" d="M {start} {at} h {side * 34} v 16 H {start + side * 7}"/>'
        yield _tip(start, at + 16, -side)
        anchor = "end" if side < 0 else "start"
        yield from _label(said, start + side * 42, at + 6, 2 * _BETWEEN - 60, anchor=anchor, above=2, below=13)

    def _note(self, step: Step, said: Caption, y: int) -> Iterator[str]:
        mark = {StepKind.DEADLINE: "⏰ ", StepKind.PARKING: "✗ "}.get(step.kind, "")
        words = _cut(mark + said.headline, 2 * _BETWEEN, _WIDE)
        width = max(90, round(len(words) * _WIDE) + 20)
        x = min(max(self._x[step.sender], _LEFT + width / 2), self._width - width / 2 - 4)
        yield f'<rect class="note" x="{x - width / 2:.0f}" y="{y + 3}" width="{width}" height="23" rx="5"/>'
        yield f'<text class="label" x="{x:.0f}" y="{y + 19}" text-anchor="middle">{escape(words)}</text>'
        if step.kind is StepKind.PARKING:
            error = _cut(said.detail, 3 * _BETWEEN, _NARROW)
            yield f'<text class="detail" x="{x:.0f}" y="{y + 39}" text-anchor="middle">{escape(error)}</text>'


def _height_of(row: Step | Pause) -> int:
    if isinstance(row, Pause):
        return _PAUSE_ROW
    if not row.kind.is_arrow and row.kind is not StepKind.RETRY:
        return _NOTE_ROW + (2 * _DETAIL if row.kind is StepKind.PARKING else 0)
    return _ARROW_ROW + (_DETAIL if caption(row).detail else 0)


def _label(
    said: Caption, x: float, at: int, room: float, *, anchor: str = "middle", above: int = 6, below: int = 13
) -> Iterator[str]:
    headline = _cut(said.headline, room, _WIDE)
    yield f'<text class="label" x="{x:.0f}" y="{at - above}" text-anchor="{anchor}">{escape(headline)}</text>'
    if said.detail:
        detail = _cut(said.detail, room, _NARROW)
        yield f'<text class="detail" x="{x:.0f}" y="{at + below}" text-anchor="{anchor}">{escape(detail)}</text>'


def _cut(text: str, room: float, wide: float) -> str:
    fits = int(room / wide)
    return text if len(text) <= fits else text[: max(1, fits - 1)].rstrip() + "…"


def _tip(x: float, y: float, side: int) -> str:
    return f'<path class="tip" d="M {x} {y} l {-9 * side} -4.5 v 9 z"/>'


def _cross(x: float, y: float) -> str:
    return f'<path class="cross" d="M {x - 5} {y - 5} l 10 10 m 0 -10 l -10 10"/>'


def _tooltip(step: Step) -> str:
    because = f" (because of {step.cause})" if step.cause else ""
    ids = f"\n{step.message_kind} {step.message_id}" if step.message_id else ""
    return f"{step.number}{because}: {step.what}\n{step.detail}{ids}".strip()
