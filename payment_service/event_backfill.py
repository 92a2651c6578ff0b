"""Backfill of PSP events: an event that no webhook delivered is found in the PSP's list within minutes.

One document per account at the PSP holds the progress. It advances only after the adapter has published everything up
to there. The default account's is made at the first start, another one's when it opens its first session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Stale, State
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import START
from contracts.psp import PspEventsSwept, SweepPspEvents
from contracts.psp_accounts import DEFAULT_ACCOUNT

SWEEP_ID = "psp-sweep"
FIRST_LOOK_BACK = timedelta(hours=24)


def sweep_id(psp_account: str) -> str:
    """The document of an account; the default one's is that of versions with a single account."""
    return SWEEP_ID if psp_account == DEFAULT_ACCOUNT else f"{SWEEP_ID}.{psp_account}"


def first_backfill(psp_account: str) -> Delivery:
    """The cause of an account's first backfill: the document remembers it, and no later start repeats it."""
    document_id = sweep_id(psp_account)
    return Delivery(f"{document_id}.first", document_id, START)


class EventBackfill(State):
    """The time up to which the PSP's events have been read."""

    psp_account: str = DEFAULT_ACCOUNT
    since: datetime
    asked_at: datetime | None = None
    """When the adapter was last asked to read the events; None in documents of older versions."""


@dataclass(frozen=True, slots=True)
class SweepDue:
    """The next backfill is due, or the first one."""

    every: timedelta
    psp_account: str = DEFAULT_ACCOUNT
    """Of the first one; the document names its own."""


BackfillInput = SweepDue | PspEventsSwept


def decide(sweep: EventBackfill | None, message: BackfillInput, now: datetime) -> Decision[EventBackfill]:
    """Decide on the backfill's document."""
    match message:
        case SweepDue(every=every, psp_account=psp_account):
            if sweep is not None and (sweep.due_at is None or now < sweep.due_at):
                return Stale("not due yet")
            sweep = sweep or EventBackfill(psp_account=psp_account, since=now - FIRST_LOOK_BACK)
            asked = sweep.model_copy(update={"asked_at": now, "due_at": now + every})
            return Applied(asked, (SweepPspEvents(psp_account=sweep.psp_account, since=sweep.since),))
        case PspEventsSwept(until=until):
            if sweep is None:
                return Ignored("nothing is being swept")
            if until <= sweep.since:
                return Stale("swept further already")
            return Applied(sweep.model_copy(update={"since": until}))
        case _:
            assert_never(message)
