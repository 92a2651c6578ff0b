"""A Prometheus beside a history: it reads every process's metrics at virtual times, and evaluates whole rules."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from chassis.runtime.metrics import Metrics
from tests.simulation import alarms
from tests.simulation.promql import Labels, Samples

if TYPE_CHECKING:
    from tests.simulation.instances import Instance
    from tests.simulation.world import World

METRICS: ContextVar[list[Metrics]] = ContextVar("what a process exposes")

EVERY = 60.0
"""Seconds between two readings, and between two evaluations: Prometheus's defaults."""
SLACK = 240.0
"""Seconds until a gauge has been updated, twice read, and evaluated."""


@dataclass(slots=True)
class Interval:
    begin: float
    end: float

    def overlaps(self, begin: float, end: float) -> bool:
        return self.begin <= end and begin <= self.end


@dataclass
class Watch:
    """What was measured, and which alarms rang when."""

    samples: Samples = field(default_factory=Samples)
    rang: dict[str, list[Interval]] = field(default_factory=dict)
    """By alarm."""
    held: dict[str, list[Interval]] = field(default_factory=dict)
    """By alarm, when the world had what it is for."""
    perhaps: dict[str, list[Interval]] = field(default_factory=dict)
    """By alarm, when it may ring or not."""
    every: float = EVERY
    _exposed: dict[Labels, set[tuple[str, Labels]]] = field(default_factory=dict)
    """By target."""
    _watched: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def run(self, world: "World") -> None:
        """Until the end of the history."""
        judged = alarms.Alarms(self.samples)
        while True:
            now = world.loop.time()
            self._read(world, now)
            for name in judged.evaluate(now):
                _note(self.rang, name, now, self.every)
            for name, holds in STATES.items():
                if (is_so := holds(world)) is not False:
                    _note(self.perhaps, name, now, self.every)
                    if is_so:
                        _note(self.held, name, now, self.every)
            await asyncio.sleep(self.every)

    def _read(self, world: "World", now: float) -> None:
        for series, labels, value in alarms.of_the_broker(world):
            self.samples.add(series, labels, now, value)
        for instance in world.instances:
            if instance.service == "operator":
                continue
            target = alarms.target_of(instance)
            self.samples.add("up", target, now, float(instance.is_ready))
            exposed = set()
            for series, labels, value in _exposed_by(instance) if instance.is_ready else ():
                self.samples.add(series, labels | target, now, value)
                exposed.add((series, labels | target))
            for gone in self._exposed.get(target, set()) - exposed:
                self.samples.gone[gone] = now
            self._exposed[target] = exposed


def _note(intervals: dict[str, list[Interval]], name: str, now: float, every: float) -> None:
    known = intervals.setdefault(name, [])
    if known and now - known[-1].end <= every * 1.5:
        known[-1].end = now
    else:
        known.append(Interval(now, now))


def _exposed_by(instance: "Instance") -> Iterator[tuple[str, Labels, float]]:
    """The series that rules ask for."""
    wanted = _asked_for()
    for metrics in instance.process.context[METRICS]:
        for family in metrics.registry.restricted_registry(wanted).collect():
            for each in family.samples:
                if each.name in wanted and each.labels.get("outcome") not in _OF_NO_ALARM:
                    yield each.name, frozenset(each.labels.items()), each.value


"""Outcomes that no rule asks for: most of the series, left out for speed."""
_OF_NO_ALARM = frozenset(
    {"applied", "done", "duplicate", "stale", "ignored", "refused", "requeued", "nacked", "written"}
)


@cache
def _asked_for() -> frozenset[str]:
    return frozenset(name for rule in alarms.rules().values() for name in rule.series)


STATES: Mapping[str, Callable[["World"], bool | None]] = {
    name: alarms.SHOULD_RING[name]
    for name in ("BellhopDeadLetters", "BellhopOrderNeedsReview", "BellhopRefundFailed", "BellhopMailUnknown")
}
"""Alarms about what is stored, by whether it is."""
