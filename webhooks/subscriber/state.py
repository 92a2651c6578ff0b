"""The state of a subscriber."""

from datetime import datetime
from enum import StrEnum
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field

from chassis.decision import State
from contracts.ids import PropertyId, SubscriberId
from contracts.webhooks import WebhookType


class SubscriberStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    """Nothing is recorded for it, and nothing sent. What was recorded before waits."""
    REMOVED = "removed"
    """For good. What was recorded for it is not sent."""


class SealedSecret(BaseModel):
    """A secret that webhooks are signed with, readable with the seal's keys alone."""

    model_config = ConfigDict(frozen=True)

    sealed: str = Field(repr=False)
    until: datetime | None = None
    """While it is being replaced: signed with it as well until then."""


class Subscriber(State):
    """Another system that hears of a property's orders."""

    subscriber_id: SubscriberId
    property_id: PropertyId
    url: str
    kinds: tuple[WebhookType, ...]
    secrets: tuple[SealedSecret, ...]
    """The newest first."""
    status: SubscriberStatus
    status_since: datetime | None = None
    """None: written by an older version."""
    cause: str = ""
    """Why it is disabled or removed."""
    created_at: datetime
    failures: int = 0
    """Of attempts in a row."""
    failing_since: datetime | None = None
    failed_with: str = ""
    """What the newest of them said."""
    retry_at: datetime | None = None
    """While it fails: when the next attempt is made."""
    disabled_itself: bool = False
    """After days of failure, or because the receiver said that it is gone."""

    @property
    def needs_attention(self) -> bool:
        return self.disabled_itself or (self.status is SubscriberStatus.ENABLED and self.failing_since is not None)

    @property
    def summary(self) -> str:
        match self.status:
            case SubscriberStatus.ENABLED if self.failing_since is not None:
                return f"enabled, failing since {self.failing_since:%Y-%m-%d %H:%M} UTC: {self.failed_with}"
            case SubscriberStatus.ENABLED:
                return "enabled"
            case SubscriberStatus.DISABLED | SubscriberStatus.REMOVED:
                return f"{self.status}: {self.cause}" if self.cause else str(self.status)
            case _:
                assert_never(self.status)

    def wants(self, property_id: PropertyId, kind: WebhookType) -> bool:
        """Whether it hears of this."""
        return self.status is SubscriberStatus.ENABLED and self.property_id == property_id and kind in self.kinds

    def secrets_at(self, now: datetime) -> tuple[SealedSecret, ...]:
        """Those that are signed with."""
        return tuple(each for each in self.secrets if each.until is None or now < each.until)
