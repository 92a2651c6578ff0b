"""A simulation that finds no planted bug proves nothing."""

import pytest

from tests.simulation.planted import BUGS
from tests.simulation.shrinking import law_of, shrunk
from tests.simulation.world import History, run

SEEDS = 12
"""Within so many hostile histories of 30 orders each bug must break a law."""
FIRST = {"dates_news_by_their_arrival": 16, "takes_any_answer_for_taken": 5, "writes_a_body_at_each_attempt": 5}
"""The seed to begin with, where it is not 1: what a restore has forgotten comes again in few histories, and few have
receivers of webhooks."""


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_breaks_a_law(name: str) -> None:
    first = FIRST.get(name, 1)
    with BUGS[name]():
        seeds = range(first, first + SEEDS)
        broken = next((each for seed in seeds if (each := run(History(seed, "hostile", 30)).broken)), [])

    assert broken != []


def test_a_failing_history_is_made_smaller_and_its_command_repeats_it() -> None:
    with BUGS["acknowledges_first"]():
        whole = run(History(1, "hostile", 12))
        small = shrunk(whole, run, tries=20)

        again = run(small.history)

    assert len(small.history.faults()) < len(whole.history.faults())
    assert len(small.history.plans()) < len(whole.history.plans())
    assert {law_of(each) for each in again.broken} & {law_of(each) for each in whole.broken}
    assert f"--only-orders {','.join(map(str, small.history.only_orders or ()))}" in small.history.command
