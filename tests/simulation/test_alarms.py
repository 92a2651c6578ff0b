"""The alarms in the simulation: at rest, in calm histories, and while each fault lasts."""

from dataclasses import replace

import pytest

from tests.simulation import outages, watch
from tests.simulation.alarms import SHOULD_RING, rules
from tests.simulation.outages import OUTAGES
from tests.simulation.planted import BUGS
from tests.simulation.watch import STATES, Interval
from tests.simulation.world import History, World, run

ORDERS = 24
_AFTER_ITS_KIND = tuple(OUTAGES)
_QUICK = ("the_psp_is_down", "a_queue_refuses", "handlers_have_a_bug")
"""In the suite; all kinds: `python -m tests.simulation --profile outages --orders 24 --seeds 15`."""


def test_every_alarm_is_one_that_an_outage_or_a_state_makes_ring() -> None:
    made_to_ring = frozenset[str]().union(*(outage.rings for outage in OUTAGES.values())) | STATES.keys()

    assert rules().keys() - made_to_ring == {
        "BellhopLogNotWritten",
        "BellhopApprovalWaits",
        "BellhopWebhooksFail",
        "BellhopWebhooksParked",
    }, "the log's own connection is not simulated, no receiver fails for as long, no order awaits approval for days"
    assert rules().keys() - SHOULD_RING.keys() == {
        "BellhopMessagesParked",
        "BellhopMessagesRetried",
        "BellhopRetryTierStuck",
        "BellhopLogNotWritten",
        "BellhopLateReplies",
    }, "these ask for a range of time, and are not judged at rest"


def test_a_fault_lasts_longer_than_the_alarms_about_it_wait() -> None:
    for outage in OUTAGES.values():
        for name in outage.rings:
            assert outage.seconds > rules()[name].holds_for + watch.EVERY


def test_no_alarm_rings_in_a_calm_history_except_about_what_waits_for_a_person() -> None:
    outcome = run(History(3, "calm", 10))

    assert outcome.broken == []
    assert outcome.alarms.keys() <= STATES.keys()


@pytest.mark.parametrize("name", _QUICK)
def test_the_alarms_about_a_fault_ring_while_it_lasts(name: str) -> None:
    outcome = run(History(_AFTER_ITS_KIND.index(name), "outages", ORDERS))

    assert outcome.broken == []
    assert outcome.alarms.keys() >= OUTAGES[name].rings


def test_an_alarm_that_does_not_ring_breaks_the_law() -> None:
    with BUGS["counts_nothing_that_waits"]():
        outcome = run(History(_AFTER_ITS_KIND.index("a_queue_refuses"), "outages", 12))

    assert any("BellhopOutboxUnsent did not ring: a queue refuses" in each for each in outcome.broken)


def test_an_alarm_that_rings_for_nothing_breaks_the_law() -> None:
    world = World(History(1, "calm", 1))
    outage = replace(OUTAGES["one_instance_stops"], seconds=300.0)
    world.outages.append((outage, Interval(300.0, 600.0)))
    world.watch.rang = {
        "BellhopServiceDown": [Interval(420.0, 630.0), Interval(5000.0, 5030.0)],
        "BellhopBreakerOpen": [Interval(420.0, 450.0)],
    }

    assert list(outages.wrong_alarms(world)) == [
        "BellhopServiceDown rang for nothing at 5000 s",
        "BellhopBreakerOpen rang for nothing at 420 s",
    ]
