"""The sweep of the PSP's events: how far it got, and when it looks again."""

from datetime import UTC, datetime, timedelta

from chassis.decision import Applied, Ignored, Stale
from contracts.psp import PspEventsSwept, SweepPspEvents
from payment_service.event_backfill import FIRST_LOOK_BACK, EventBackfill, SweepDue, decide

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
DUE = SweepDue(timedelta(minutes=10))


def test_the_first_sweep_looks_back_a_day_and_is_asked_for_at_once() -> None:
    decision = decide(None, DUE, NOW)

    first = EventBackfill(since=NOW - FIRST_LOOK_BACK, asked_at=NOW, due_at=NOW + DUE.every)
    assert decision == Applied(first, (SweepPspEvents(since=first.since),))


def test_a_due_sweep_asks_for_everything_since_the_last_and_sets_the_next() -> None:
    decision = decide(EventBackfill(since=NOW - timedelta(hours=1), due_at=NOW), DUE, NOW)

    assert isinstance(decision, Applied)
    assert decision.messages == (SweepPspEvents(since=NOW - timedelta(hours=1)),)
    assert decision.state.due_at == NOW + timedelta(minutes=10)
    assert decision.state.since == NOW - timedelta(hours=1), "it moves on only when the adapter is through"


def test_a_sweep_that_is_not_due_is_left_alone() -> None:
    later = EventBackfill(since=NOW, due_at=NOW + timedelta(minutes=1))

    assert isinstance(decide(later, DUE, NOW), Stale)


def test_a_finished_sweep_moves_on() -> None:
    sweep = EventBackfill(since=NOW - timedelta(hours=1), due_at=NOW)

    decision = decide(sweep, PspEventsSwept(until=NOW), NOW)

    assert isinstance(decision, Applied)
    assert decision.state.since == NOW
    assert decision.state.due_at == sweep.due_at


def test_an_overtaken_sweep_does_not_move_back() -> None:
    sweep = EventBackfill(since=NOW, due_at=NOW)

    assert isinstance(decide(sweep, PspEventsSwept(until=NOW - timedelta(minutes=5)), NOW), Stale)


def test_a_finished_sweep_that_was_never_begun_is_ignored() -> None:
    assert isinstance(decide(None, PspEventsSwept(until=NOW), NOW), Ignored)
