"""The inputs of the decisions on a subscriber."""

from dataclasses import dataclass, field
from datetime import timedelta

from contracts.ids import PropertyId, SubscriberId
from contracts.webhooks import WebhookType


@dataclass(frozen=True, slots=True)
class AddSubscriber:
    """An operator adds a subscriber."""

    subscriber_id: SubscriberId
    property_id: PropertyId
    url: str
    kinds: tuple[WebhookType, ...]
    sealed_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """An operator replaces the secret. Webhooks are signed with both for a while."""

    sealed_secret: str = field(repr=False)
    keep_for: timedelta


@dataclass(frozen=True, slots=True)
class EnableSubscriber:
    """An operator has webhooks sent again."""


@dataclass(frozen=True, slots=True)
class DisableSubscriber:
    """An operator stops webhooks."""

    cause: str


@dataclass(frozen=True, slots=True)
class RemoveSubscriber:
    """An operator removes a subscriber for good."""

    cause: str


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The receiver did not take a webhook."""

    said: str
    is_gone: bool = False
    """It says that it is gone for good (410)."""


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The receiver has taken a webhook."""


SubscriberInput = (
    AddSubscriber
    | RotateSecret
    | EnableSubscriber
    | DisableSubscriber
    | RemoveSubscriber
    | AttemptFailed
    | AttemptSucceeded
)
