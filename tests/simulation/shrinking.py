"""Makes a history that breaks a law smaller: fewer orders and fewer faults, while the same law breaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.world import History, Outcome

Run = Callable[[History], Outcome]


def law_of(broken: str) -> str:
    return broken.partition(":")[0]


def shrunk(outcome: Outcome, run: Run, tries: int = 60) -> Outcome:
    """The smallest history found within so many tries that breaks one of the same laws."""
    laws = {law_of(broken) for broken in outcome.broken}
    left = tries

    def still(history: History) -> Outcome | None:
        nonlocal left
        left -= 1
        found = run(history)
        return found if laws & {law_of(broken) for broken in found.broken} else None

    def smaller(numbers: Sequence[int], with_only: Callable[[tuple[int, ...]], History]) -> None:
        """Drop a half, then quarters, and so on."""
        nonlocal outcome
        kept, size = tuple(numbers), max(1, len(numbers) // 2)
        while kept and left > 0:
            for start in range(0, len(kept), size):
                fewer = kept[:start] + kept[start + size :]
                found = still(with_only(fewer)) if left > 0 else None
                if found is not None:
                    outcome, kept = found, fewer
                    break
            else:
                if size == 1:
                    return
                size = max(1, size // 2)

    faults = [each.number for each in outcome.history.faults()]
    smaller(faults, lambda only: replace(outcome.history, only_faults=only))
    orders = [plan.number for plan in outcome.history.plans()]
    smaller(orders, lambda only: replace(outcome.history, only_orders=only))
    return outcome
