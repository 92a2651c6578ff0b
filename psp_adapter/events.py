"""Turns Stripe's events into messages, both from webhooks and from the backfill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chassis.decision import Ignored
from chassis.errors import PermanentError, TransientError
from chassis.messaging.envelope import Envelope
from contracts.ids import bounded_id
from contracts.psp import PspDisputeUpdated
from contracts.psp_accounts import DEFAULT_ACCOUNT
from contracts.trace_headers import CameBy, psp_event
from psp_adapter.stripe_api import StripeApi
from psp_adapter.stripe_objects import Intent
from psp_adapter.translate import DISPUTE_STATES, EVENT_TYPES, current_type, report_of_event, subject_of

log = structlog.get_logger()

_LAST_SECOND = 253_402_300_799  # of the year 9999
_THIN = "v2.core.event"


class MalformedEventError(PermanentError):
    """Not a Stripe event: a field that every event has is missing or of another type."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a Stripe event: {reason}")


class UnknownAccountError(TransientError):
    """Neither an event's payment nor any other of this installation is known: the key may be wrong, not the webhook."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"the account of STRIPE_API_KEY knows neither {reference} nor any payment of this installation: is the "
            "webhook endpoint of the same account and mode?"
        )


_Name = Annotated[str, Field(min_length=1, max_length=255)]


class _Data(BaseModel):
    object: dict[str, Any]


class SnapshotEvent(BaseModel):
    """An event that carries a snapshot of its object (https://docs.stripe.com/api/events/object)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: _Name
    type: _Name
    created: Annotated[int, Field(ge=0, le=_LAST_SECOND)]
    data: _Data

    @property
    def happened_at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)


class ThinEvent(BaseModel):
    """An event that only names its object (https://docs.stripe.com/api/v2/core/events/object)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    id: _Name
    type: _Name
    created: AwareDatetime
    snapshot_event: _Name | None = None
    """The snapshot event of the same occurrence, if there is one."""

    @property
    def happened_at(self) -> datetime:
        return self.created


def event_of(raw: object) -> SnapshotEvent | ThinEvent:
    """Parse an event of either shape. Raises MalformedEventError."""
    kind = raw.get("object") if isinstance(raw, Mapping) else None
    shape: type[SnapshotEvent | ThinEvent] = ThinEvent if kind == _THIN else SnapshotEvent
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise MalformedEventError(f"{place}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class EventTranslator:
    """Turns an event into a message, fetching the payment from Stripe if the event does not carry it."""

    stripe: StripeApi
    account: str = DEFAULT_ACCOUNT
    connected: str | None = None
    """The PSP's id of the account, if it is a connected one."""

    async def envelope_of(self, event: Mapping[str, Any], came_by: CameBy) -> Envelope | Ignored:
        """The message of an event. Its id derives from the event's, so that a repeated event is dropped downstream.

        `came_by` becomes a trace header.

        Raises MalformedEventError for anything but an event, TransientError while Stripe is down, and any other error
        for an event that cannot be translated.
        """
        shape = event_of(event)
        if (event.get("account") or event.get("context") or self.connected) != self.connected:
            return Ignored("an event of another account")
        if self.stripe.livemode is not None and event.get("livemode", self.stripe.livemode) != self.stripe.livemode:
            return Ignored("an event of the other mode")
        if isinstance(shape, ThinEvent):
            current = await self._snapshot_of(shape, event)
            if isinstance(current, Ignored):
                return current
            event = current
        about = subject_of(event)
        if isinstance(about, Ignored):
            return about
        # Refunds and disputes do not name a payment of ours; the metadata of their PaymentIntent does.
        intent = about.embedded or await self._session(about.reference, came_by)
        if intent is None:
            return Ignored("a payment that this account does not know")
        report = report_of_event(event, intent if intent.is_of(self.stripe.installation) else intent.unclaimed())
        if isinstance(report, Ignored):
            return report
        if isinstance(report, PspDisputeUpdated) and report.status not in DISPUTE_STATES:
            log.warning(
                "psp.unknown_dispute_status", event_id=shape.id, dispute_id=report.dispute_id, status=report.status[:50]
            )
        report = report.model_copy(update={"psp_account": self.account})
        message_id = bounded_id(f"psp.{event['id']}")
        trace_headers = psp_event(came_by, shape.id, shape.type)
        return Envelope(report, message_id, correlation_id=message_id, trace_headers=trace_headers)

    async def _snapshot_of(self, thin: ThinEvent, event: Mapping[str, Any]) -> Mapping[str, Any] | Ignored:
        """A snapshot event made from a thin one by fetching its object, under the snapshot event's id if any."""
        kind = thin.type.removeprefix("v1.")
        if kind not in EVENT_TYPES or kind == thin.type:
            return Ignored(f"no rule for events of type {thin.type}")
        found = await self.stripe.related_object(event)
        current = current_type(kind, found)
        if current is None:
            return Ignored(f"the payment is {found.get('status')}, which is no news")
        created = int(self.stripe.clock.now().timestamp())
        return {
            "id": thin.snapshot_event or thin.id,
            "type": current,
            "created": created,
            "data": {"object": found},
        }

    async def _session(self, reference: str, came_by: CameBy) -> Intent | None:
        """The fetched payment, or None if it belongs to another account."""
        if came_by is not CameBy.WEBHOOK:  # it was read with our key, so the account must know it
            return await self.stripe.retrieve_session(reference)
        found = await self.stripe.find_session(reference)
        if found is None and not await self.stripe.access.is_our_account(reference):
            raise UnknownAccountError(reference)
        return found
