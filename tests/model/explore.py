"""Breadth first through every world within bounds, so that the first trace found to a broken law is a shortest one."""

import math
from array import array
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter

from tests.model.bounds import Bounds
from tests.model.laws import Laws
from tests.model.rules import Book, Rules
from tests.model.steps import Model
from tests.model.words import described, standing
from tests.model.world import World

NEVER_FINAL = "a final state can be reached without help"
REPLAYED = "replaying a handled message changes nothing"
PARKED = "no message needs an operator"
MOST = 5_000_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken law and the shortest way there, in words."""

    law: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((f"BROKEN: {self.law}", *(f"  {number}. {step}" for number, step in enumerate(self.trace, 1))))


@dataclass(slots=True)
class Exploration:
    """What was seen, and what broke: one violation for each law, the shortest."""

    bounds: Bounds
    states: int = 0
    steps: int = 0
    final: int = 0
    orders: int = 0
    payments: int = 0
    psps: int = 0
    seconds: float = 0.0
    violations: dict[str, Violation] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.bounds}: {self.states:,} states ({self.orders:,} orders x {self.payments:,} payments x "
            f"{self.psps:,} PSPs), {self.steps:,} steps, {self.final:,} final, {self.seconds:.1f} s"
        )


class _Seen:
    """The worlds reached, in the order they were, and for each how it was reached first."""

    def __init__(self, first: World) -> None:
        self.worlds = [first]
        self.numbers = {first: 0}
        self.parents = array("l", [-1])

    def add(self, world: World, parent: int) -> tuple[int, bool]:
        number = self.numbers.setdefault(world, len(self.worlds))
        new = number == len(self.worlds)
        if new:
            self.worlds.append(world)
            self.parents.append(parent)
        return number, new

    def way_to(self, number: int) -> list[World]:
        way = [self.worlds[number]]
        while (number := self.parents[number]) >= 0:
            way.append(self.worlds[number])
        return way[::-1]


class UnfinishedError(Exception):
    """There are more worlds within these bounds than time or memory allow."""

    def __init__(self, bounds: Bounds, states: int, why: str) -> None:
        super().__init__(f"{bounds}: {states:,} states seen, {why}")


def explore(
    bounds: Bounds, rules: Rules | None = None, *, stop_at_first: bool = False, seconds: float = math.inf
) -> Exploration:
    """Every world within `bounds`. Raises UnfinishedError when there are too many, also for so many seconds."""
    started = perf_counter()
    book = Book(
        rules or Rules(),
        counts_polls=bounds.has_silence,
        needs_approval=bounds.needs_approval,
        account=bounds.account,
    )
    model = Model(book, bounds)
    laws = Laws(model)
    seen = _Seen(model.start())
    found = Exploration(bounds)
    sources, targets = array("l"), array("l")
    number = 0
    while number < len(seen.worlds) and not (stop_at_first and found.violations):
        for law in laws.broken(seen.worlds[number]):
            _note(found, law, model, seen, number)
        for step in model.steps(seen.worlds[number]):
            found.steps += 1
            target, _ = seen.add(step.world, number)
            if step.parked:
                _note(found, PARKED, model, seen, target, step.parked)
            if step.again:
                _note(found, REPLAYED, model, seen, target, step.again)
            if step.free:
                sources.append(number)
                targets.append(target)
        if len(seen.worlds) > MOST:
            raise UnfinishedError(bounds, len(seen.worlds), "more than are explored: choose smaller bounds")
        if perf_counter() - started > seconds:
            raise UnfinishedError(bounds, len(seen.worlds), f"{len(seen.worlds) - number:,} of them not looked at yet")
        number += 1
    finals = [number for number, world in enumerate(seen.worlds) if laws.is_final(world)]
    found.final = len(finals)
    if not (stop_at_first and found.violations):
        for lost in _cannot_reach(finals, sources, targets, len(seen.worlds)):
            if not seen.worlds[lost].flight:
                _note(found, f"{NEVER_FINAL} ({standing(model, seen.worlds[lost])})", model, seen, lost)
    found.states, found.seconds = len(seen.worlds), perf_counter() - started
    found.orders, found.payments, found.psps = len(book.orders), len(book.payments), len(book.psps)
    return found


def _note(found: Exploration, law: str, model: Model, seen: _Seen, number: int, why: str = "") -> None:
    if law not in found.violations:
        found.violations[law] = Violation(law, (*described(model, seen.way_to(number)), *([why] if why else [])))


def _cannot_reach(finals: list[int], sources: "array[int]", targets: "array[int]", states: int) -> list[int]:
    """The states from which no final one is reached by what happens of itself."""
    before: list[list[int]] = [[] for _ in range(states)]
    for source, target in zip(sources, targets, strict=True):
        before[target].append(source)
    reaches = bytearray(states)
    for number in finals:
        reaches[number] = 1
    queue = deque(finals)
    while queue:
        for number in before[queue.popleft()]:
            if not reaches[number]:
                reaches[number] = 1
                queue.append(number)
    return [number for number in range(states) if not reaches[number]]
