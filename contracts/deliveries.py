"""What the desk asks of a property's webhooks: who gets them, whether they arrive, and what became of each."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import OrderId, PropertyId, SubscriberId, WebhookId
from contracts.message import Query, Reply
from contracts.webhooks import WebhookType

MOST_LISTED = 50
"""Of pairs of an order and a subscriber, on one page."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class SubscriberCondition(StrEnum):
    """Whether webhooks arrive at a subscriber."""

    ENABLED = "enabled"
    FAILING = "failing"
    """It is enabled, and its newest attempts have failed."""
    DISABLED = "disabled"
    """By an operator: nothing is sent."""
    GIVEN_UP = "given_up"
    """It has disabled itself: after days of failures, or because the receiver said that it is gone."""


class PropertySubscriber(_Value):
    """Another system that gets a property's webhooks."""

    subscriber_id: SubscriberId
    address: str = Field(description="without its query, which may hold a key")
    kinds: tuple[WebhookType, ...]
    condition: SubscriberCondition
    since: datetime | None = Field(description="when it began to fail or was disabled; none: neither, or not known")
    why: str = Field(description="what came of the newest attempt, or why it is disabled; empty: webhooks arrive")
    retry_at: datetime | None = Field(description="while it fails: before then nothing is sent to it")


class DeliveryStatus(StrEnum):
    """What has become of a webhook."""

    WAITING = "waiting"
    """To be sent, perhaps behind another one about the same order."""
    SENDING = "sending"
    """An attempt is under way."""
    RETRYING = "retrying"
    """Attempts have failed; the next one follows."""
    HELD = "held"
    """The subscriber is disabled: sent once it is enabled."""
    DELIVERED = "delivered"
    PARKED = "parked"
    """Every attempt has failed for days. An operator decides."""
    DROPPED = "dropped"
    """Not sent, and not going to be."""


class WebhookDelivery(_Value):
    """One webhook to one subscriber."""

    webhook_id: WebhookId
    subscriber_id: SubscriberId
    order_id: OrderId | None = Field(description="none: an operator's test")
    type: WebhookType
    status: DeliveryStatus
    noted_at: datetime = Field(description="when its event became known, or an operator had it sent again")
    attempts: int
    said: str = Field(description="what came of the newest attempt, or why it is not sent; empty: nothing yet")
    delivered_at: datetime | None = Field(description="when the receiver last took it")
    next_at: datetime | None = Field(description="when the next attempt is made; none: none is planned")


class ListPropertyWebhooks(Query):
    """A property's subscribers, and a page of its webhooks: the newest orders' first, an order's newest first."""

    kind: Literal["webhooks.list-property-webhooks.v1"] = "webhooks.list-property-webhooks.v1"
    property_id: PropertyId
    order_id: OrderId | None = Field(default=None, description="only those about this order, all on one page")
    after: str | None = Field(default=None, description="the cursor of the page before")
    limit: int = Field(default=25, ge=1, le=MOST_LISTED, description="of pairs of an order and a subscriber")


class PropertyWebhooks(_Value):
    """A property's subscribers, and one page of its webhooks."""

    subscribers: tuple[PropertySubscriber, ...] = Field(description="those that were not removed, the newest first")
    deliveries: tuple[WebhookDelivery, ...] = Field(
        description="the newest orders' first; of one order to one subscriber at most 20, the newest first"
    )
    next: str | None = Field(default=None, description="the cursor of the next page; none: the end")


class PropertyWebhooksReply(Reply):
    kind: Literal["webhooks.property-webhooks-reply.v1"] = "webhooks.property-webhooks-reply.v1"
    page: PropertyWebhooks
