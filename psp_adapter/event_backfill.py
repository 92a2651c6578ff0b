"""Backfills events that no webhook delivered, from Stripe's list or one by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from chassis.decision import Done, Ignored, Outcome
from chassis.errors import ForbiddenError, PublishFailedError
from chassis.messaging.bus import Bus
from chassis.messaging.envelope import Delivery
from contracts.ids import bounded_id
from contracts.psp import PspEventsSwept, SweepPspEvents, TranslatePspEvent
from contracts.trace_headers import CameBy
from psp_adapter.errors import PspUnavailableError
from psp_adapter.event_parking import EventParking
from psp_adapter.events import EventTranslator, MalformedEventError, event_of
from psp_adapter.stripe_reader import StripeReader

log = structlog.get_logger()

OVERLAP = timedelta(minutes=2)
"""The overlap of two sweeps: the PSP may list an event a moment after it happened."""

TRIES = 3
"""Attempts to look up an event at a PSP that answers for others, before the event is dead-lettered."""

_DOWN_AFTER = 3
"""Consecutive lookups without an answer after which the PSP counts as down, and the whole sweep is retried."""


@dataclass(frozen=True, slots=True)
class EventBackfill:
    """Publishes events as webhooks do. Their ids come from the events, so that known ones are dropped downstream."""

    stripe: StripeReader
    bus: Bus
    events: EventTranslator
    parking: EventParking

    async def sweep(self, command: SweepPspEvents, delivery: Delivery) -> Outcome[Any]:
        """Publish the events that the PSP has recorded. One that cannot be translated is dead-lettered on its own."""
        began = self.stripe.clock.steady()
        events = await self.stripe.events_since(command.since)
        # Counted back from the answer, by Stripe's clock: before it, a new adapter knows only its machine's clock.
        until = self.stripe.clock.now() - timedelta(seconds=self.stripe.clock.steady() - began) - OVERLAP
        unanswered: list[tuple[Mapping[str, Any], PspUnavailableError]] = []
        passed_on = in_a_row = 0
        for event in events:
            try:
                passed_on += await self._pass_on(event)
                in_a_row = 0
            except PspUnavailableError as error:
                unanswered.append((event, error))
                in_a_row += 1
                if in_a_row == _DOWN_AFTER:
                    raise
        if unanswered and delivery.attempt < TRIES:
            raise unanswered[0][1]
        for event, why in unanswered:
            await self._set_aside(event, why)
        await self.bus.publish(
            delivery.follow_up(PspEventsSwept(until=until), bounded_id(f"{delivery.message_id}.psp"))
        )
        log.info("psp.swept", since=command.since.isoformat(), events=passed_on)
        return Done()

    async def _pass_on(self, event: Mapping[str, Any]) -> bool:
        try:
            envelope = await self.events.envelope_of(event, CameBy.SWEPT)
            if isinstance(envelope, Ignored):
                return False
            await self.bus.publish(envelope)
        except (PublishFailedError, PspUnavailableError, ForbiddenError):
            raise
        except Exception as error:
            await self._set_aside(event, error)
            return False
        return True

    async def _set_aside(self, event: Mapping[str, Any], error: Exception) -> None:
        try:
            shape = event_of(event)
        except MalformedEventError as malformed:
            log.error("psp.event_malformed", error=str(malformed))
        else:
            await self.parking.park(shape, error)

    async def translate(self, command: TranslatePspEvent, delivery: Delivery) -> Outcome[Any]:
        """Fetch one event and publish it. Raises what `envelope_of` raises."""
        envelope = await self.events.envelope_of(
            await self.stripe.event(command.event_id, is_thin=command.is_thin), CameBy.FETCHED
        )
        if isinstance(envelope, Ignored):
            return envelope
        await self.bus.publish(envelope)
        return Done()
