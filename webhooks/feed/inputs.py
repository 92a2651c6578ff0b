"""The inputs of the decisions on a feed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.ids import OrderId, PropertyId, SubscriberId, WebhookId
from contracts.webhooks import WebhookType


@dataclass(frozen=True, slots=True)
class WebhookWanted:
    """An event asks for a webhook to this subscriber."""

    subscriber_id: SubscriberId
    order_id: OrderId
    property_id: PropertyId
    webhook_id: WebhookId
    type: WebhookType
    receipt: int | None = None
    at: datetime | None = None
    """When its event was sent, if it says."""


@dataclass(frozen=True, slots=True)
class AttemptBegun:
    """A webhook is sent next. `claim` names this attempt."""

    webhook_id: WebhookId
    claim: str
    body: str = field(repr=False)
    order_version: int | None


class Verdict(StrEnum):
    """What a receiver makes of a webhook."""

    TAKEN = "taken"
    """2xx."""
    GONE = "gone"
    """410: it wants no more of them."""
    FAILED = "failed"
    """Any other answer, or none."""


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """How an attempt ended."""

    webhook_id: WebhookId
    claim: str
    verdict: Verdict
    said: str
    retry_after: timedelta | None = None
    """As the receiver asked for."""


@dataclass(frozen=True, slots=True)
class NotPossible:
    """A webhook has nothing to say: there is no such order."""

    webhook_id: WebhookId
    reason: str


@dataclass(frozen=True, slots=True)
class GuestErased:
    """The order has forgotten its guest."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """An operator has a webhook sent, whatever became of it before."""

    webhook_id: WebhookId


@dataclass(frozen=True, slots=True)
class LeaveIt:
    """An operator leaves a parked webhook at that. The reason, which may name a guest, is in the audit log alone."""

    webhook_id: WebhookId
    who: str


FeedInput = WebhookWanted | AttemptBegun | AttemptEnded | NotPossible | GuestErased | SendAgain | LeaveIt
