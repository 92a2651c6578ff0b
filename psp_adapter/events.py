"""Stripe's events as messages, whether a webhook brings them or a sweep finds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.decision import Ignored
from chassis.envelope import Envelope
from contracts.ids import bounded_id
from psp_adapter.stripe_api import StripeApi
from psp_adapter.translate import report_of_event, subject_of


@dataclass(frozen=True, slots=True)
class EventTranslator:
    """Turns an event into a message, asking Stripe for the payment where the event does not carry it."""

    stripe: StripeApi

    async def envelope_of(self, event: Mapping[str, Any], came_by: str) -> Envelope | Ignored:
        """The message an event becomes. Its id comes from Stripe's: the same event twice is dropped downstream.

        `came_by` (webhook, swept) is noted on the message.

        Raises KeyError, TypeError or ValueError for what is no event, TransientError while Stripe is away.
        """
        event_id = str(event["id"])
        about = subject_of(event)
        if isinstance(about, Ignored):
            return about
        # Refunds and disputes do not say whose payment they are about; their PaymentIntent's metadata does.
        intent = about.embedded or await self.stripe.retrieve_session(about.reference)
        report = report_of_event(event, intent)
        if isinstance(report, Ignored):
            return report
        message_id = bounded_id(f"psp.{event_id}")
        notes = {"psp": f"{came_by} {event_id} {event['type']}"}
        return Envelope(report, message_id, correlation_id=message_id, notes=notes)
