"""Backfill of PSP events: an event that no webhook delivered is found in the PSP's list within minutes.

One document holds the progress. It advances only after the adapter has published everything up to there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Stale, State
from contracts.psp import PspEventsSwept, SweepPspEvents

SWEEP_ID = "psp-sweep"
FIRST_BACKFILL = f"{SWEEP_ID}.first"
"""The id of the first backfill's cause: the document remembers it, and no later start repeats it."""
FIRST_LOOK_BACK = timedelta(hours=24)


class EventBackfill(State):
    """The time up to which the PSP's events have been read."""

    since: datetime
    asked_at: datetime | None = None
    """When the adapter was last asked to read the events; None in documents of older versions."""


@dataclass(frozen=True, slots=True)
class SweepDue:
    """The next backfill is due, or the first one."""

    every: timedelta


BackfillInput = SweepDue | PspEventsSwept


def decide(sweep: EventBackfill | None, message: BackfillInput, now: datetime) -> Decision[EventBackfill]:
    """Decide on the backfill's document."""
    match message:
        case SweepDue(every=every):
            if sweep is not None and (sweep.due_at is None or now < sweep.due_at):
                return Stale("not due yet")
            sweep = sweep or EventBackfill(since=now - FIRST_LOOK_BACK)
            asked = sweep.model_copy(update={"asked_at": now, "due_at": now + every})
            return Applied(asked, (SweepPspEvents(since=sweep.since),))
        case PspEventsSwept(until=until):
            if sweep is None:
                return Ignored("nothing is being swept")
            if until <= sweep.since:
                return Stale("swept further already")
            return Applied(sweep.model_copy(update={"since": until}))
        case _:
            assert_never(message)
