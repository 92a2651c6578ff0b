"""Stripe's events as messages, whether a webhook brings them or a sweep finds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import structlog
from pydantic import BaseModel, Field, ValidationError

from chassis.decision import Ignored
from chassis.envelope import Envelope
from chassis.errors import PermanentError
from contracts.ids import bounded_id
from contracts.psp import PspDisputeUpdated
from psp_adapter.stripe_api import StripeApi
from psp_adapter.translate import DISPUTE_STATES, report_of_event, subject_of

log = structlog.get_logger()

_LAST_SECOND = 253_402_300_799  # of the year 9999


class MalformedEventError(PermanentError):
    """Something that is not an event of Stripe's: a part that every event has is missing or of another type."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not an event of Stripe's: {reason}")


class _Data(BaseModel):
    object: dict[str, Any]


class EventShape(BaseModel):
    """What every snapshot event has (https://docs.stripe.com/api/events/object)."""

    id: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(min_length=1, max_length=255)]
    created: Annotated[int, Field(ge=0, le=_LAST_SECOND)]
    data: _Data

    @classmethod
    def of(cls, event: object) -> Self:
        """Raises MalformedEventError."""
        try:
            return cls.model_validate(event)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "body"
            raise MalformedEventError(f"{place}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class EventTranslator:
    """Turns an event into a message, asking Stripe for the payment where the event does not carry it."""

    stripe: StripeApi

    async def envelope_of(self, event: Mapping[str, Any], came_by: str) -> Envelope | Ignored:
        """The message an event becomes. Its id comes from Stripe's: the same event twice is dropped downstream.

        `came_by` (webhook, swept, fetched) is noted on the message.

        Raises MalformedEventError for what is not an event, TransientError while Stripe is down, and any other error
        for an event that cannot be translated.
        """
        event_id = EventShape.of(event).id
        about = subject_of(event)
        if isinstance(about, Ignored):
            return about
        # Refunds and disputes do not say whose payment they are about; their PaymentIntent's metadata does.
        intent = about.embedded or await self.stripe.retrieve_session(about.reference)
        report = report_of_event(event, intent)
        if isinstance(report, Ignored):
            return report
        if isinstance(report, PspDisputeUpdated) and report.status not in DISPUTE_STATES:
            log.warning(
                "psp.unknown_dispute_status", event_id=event_id, dispute_id=report.dispute_id, status=report.status[:50]
            )
        message_id = bounded_id(f"psp.{event_id}")
        notes = {"psp": f"{came_by} {event_id} {event['type']}"}
        return Envelope(report, message_id, correlation_id=message_id, notes=notes)
