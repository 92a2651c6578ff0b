"""Backfills events that no webhook delivered, from Stripe's list or one by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from chassis.decision import Done, Ignored, Outcome
from chassis.errors import ForbiddenError, PublishFailedError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Delivery
from contracts.ids import bounded_id
from contracts.psp import PspEventsSwept, SweepPspEvents, TranslatePspEvent
from contracts.trace_headers import CameBy
from psp_adapter.accounts import Account, Accounts
from psp_adapter.errors import PspUnavailableError
from psp_adapter.event_parking import EventParking
from psp_adapter.events import MalformedEventError, event_of

log = structlog.get_logger()

OVERLAP = timedelta(minutes=2)
"""The overlap of two sweeps: the PSP may list an event a moment after it happened."""

TRIES = 3
"""Attempts to look up an event at a PSP that answers for others, before the event is dead-lettered."""

_REPORT_EVERY = 100
"""Events after which the progress of a sweep is reported."""

_DOWN_AFTER = 3
"""Consecutive lookups without an answer after which the PSP counts as down, and the whole sweep is retried."""


def _second_of(event: Mapping[str, Any]) -> datetime:
    """The events before this one's second have been passed on; others of the same second may follow."""
    return datetime.fromtimestamp(event["created"], UTC)


@dataclass(frozen=True, slots=True)
class EventBackfill:
    """Publishes events as webhooks do. Their ids come from the events, so that known ones are dropped downstream."""

    accounts: Accounts
    bus: Bus
    parking: EventParking

    async def sweep(self, command: SweepPspEvents, delivery: Delivery) -> Outcome[Any]:
        """Publish the events that the PSP has recorded. One that cannot be translated is dead-lettered on its own."""
        account = self.accounts.named(command.psp_account)
        clock = account.stripe.clock
        began = clock.steady()
        events = await account.stripe.events_since(command.since)
        # Counted back from the answer, by Stripe's clock: before it, a new adapter knows only its machine's clock.
        until = clock.now() - timedelta(seconds=clock.steady() - began) - OVERLAP
        unanswered: list[tuple[Mapping[str, Any], PspUnavailableError]] = []
        passed_on = in_a_row = 0
        for number, event in enumerate(events, start=1):
            try:
                passed_on += await self._pass_on(account, event)
                in_a_row = 0
                if number % _REPORT_EVERY == 0 and not unanswered:
                    await self._report(account, delivery, min(until, _second_of(event)), str(event.get("id")))
            except PspUnavailableError as error:
                unanswered.append((event, error))
                in_a_row += 1
                if in_a_row == _DOWN_AFTER:
                    raise
        if unanswered and delivery.attempt < TRIES:
            raise unanswered[0][1]
        for event, why in unanswered:
            await self._set_aside(account, event, why)
        await self._report(account, delivery, until)
        log.info("psp.swept", account=account.name, since=command.since.isoformat(), events=passed_on)
        return Done()

    async def _report(self, account: Account, delivery: Delivery, until: datetime, event_id: str = "") -> None:
        """All events until then are on the bus. An interrupted sweep is continued from there."""
        message_id = bounded_id(f"{delivery.message_id}.psp{event_id and '.'}{event_id}")
        await self.bus.publish(delivery.follow_up(PspEventsSwept(psp_account=account.name, until=until), message_id))

    async def _pass_on(self, account: Account, event: Mapping[str, Any]) -> bool:
        try:
            envelope = await account.events.envelope_of(event, CameBy.SWEPT)
            if isinstance(envelope, Ignored):
                return False
            await self.bus.publish(envelope)
        except (PublishFailedError, PspUnavailableError, ForbiddenError):
            raise
        except Exception as error:
            await self._set_aside(account, event, error)
            return False
        return True

    async def _set_aside(self, account: Account, event: Mapping[str, Any], error: Exception) -> None:
        try:
            shape = event_of(event)
        except MalformedEventError as malformed:
            log.error("psp.event_malformed", error=str(malformed))
        else:
            await self.parking.park(shape, error, account.name)

    async def translate(self, command: TranslatePspEvent, delivery: Delivery) -> Outcome[Any]:
        """Fetch one event and publish it. Raises what `envelope_of` raises."""
        account = self.accounts.named(command.psp_account)
        event = await account.stripe.event(command.event_id, is_thin=command.is_thin)
        envelope = await account.events.envelope_of(event, CameBy.FETCHED)
        if isinstance(envelope, Ignored):
            return envelope
        await self.bus.publish(envelope)
        return Done()
