"""The sweep of the PSP's own list of events: whatever a webhook should have brought is found within minutes.

One document holds how far it got. It moves on only when the adapter has put everything on the bus.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.decision import Applied, Decision, Ignored, Stale, State
from contracts.psp import PspEventsSwept, SweepPspEvents

SWEEP_ID = "psp-sweep"
FIRST_LOOK_BACK = timedelta(hours=24)


class EventSweep(State):
    """How far the PSP's events have been swept."""

    since: datetime
    asked_at: datetime | None = None
    """When the adapter was last asked to read the events; None in documents of older versions."""


@dataclass(frozen=True, slots=True)
class SweepDue:
    """It is time to look again, or for the first time."""

    every: timedelta


def decide(sweep: EventSweep | None, message: SweepDue | PspEventsSwept, now: datetime) -> Decision[EventSweep]:
    """What `message` does to the sweep."""
    match sweep, message:
        case None, SweepDue(every=every):
            first = EventSweep(since=now - FIRST_LOOK_BACK, asked_at=now, due_at=now + every)
            return Applied(first, (SweepPspEvents(since=first.since),))
        case None, _:
            return Ignored("nothing is being swept")
        case EventSweep(due_at=due_at), SweepDue(every=every):
            if due_at is None or now < due_at:
                return Stale("not due yet")
            asked = sweep.model_copy(update={"asked_at": now, "due_at": now + every})
            return Applied(asked, (SweepPspEvents(since=sweep.since),))
        case EventSweep(since=since), PspEventsSwept(until=until):
            return (
                Applied(sweep.model_copy(update={"since": until})) if until > since else Stale("swept further already")
            )
