"""The state of a feed."""

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field

from chassis.decision import State
from chassis.keys import joined, short_digest
from chassis.text import cut
from contracts.ids import OrderId, PropertyId, SubscriberId, WebhookId
from contracts.webhooks import WebhookType

_LONGEST_SAID = 80
"""Of an answer in a summary: every write keeps its summary in the history."""
TESTS = OrderId("tests")
"""In place of an order: the feed of a subscriber's tests."""


class WebhookStatus(StrEnum):
    WAITING = "waiting"
    """To be sent, perhaps again."""
    DELIVERED = "delivered"
    """The receiver has taken it."""
    PARKED = "parked"
    """Every attempt has failed for days. A person decides."""
    DROPPED = "dropped"
    """Not sent, and not going to be."""


class WebhookEntry(BaseModel):
    """One webhook of a feed."""

    model_config = ConfigDict(frozen=True)

    webhook_id: WebhookId
    """The receiver's idempotency key: the same at each attempt, and when an operator has it sent again."""
    type: WebhookType
    receipt: int | None = None
    """The sequence of the receipt that it is about: among the order's receipts, from 1."""
    noted_at: datetime
    status: WebhookStatus = WebhookStatus.WAITING
    attempts: int = 0
    first_tried_at: datetime | None = None
    order_version: int | None = None
    """Of the order as it was sent."""
    digest: str = ""
    """Of the body that was sent."""
    body: str | None = Field(default=None, repr=False)
    """From the first attempt until it is closed: each attempt sends the same."""
    said: str = ""
    """What the receiver said last, or why it is not sent."""
    delivered_at: datetime | None = None
    deliveries: int = 0
    """How often the receiver has taken it: once, and once more each time an operator had it sent again."""

    @property
    def summary(self) -> str:
        """For people: what became of it, after how many attempts, and what the receiver said last."""
        said = f": {cut(self.said, _LONGEST_SAID)}" if self.said else ""
        match self.status:
            case WebhookStatus.WAITING:
                again = " to be sent again" if self.deliveries else " waiting"
                return f"{self.type}{again}{_after(self.attempts)}{said}"
            case WebhookStatus.DELIVERED | WebhookStatus.PARKED:
                return f"{self.type} {self.status}{_after(self.attempts)}{said}"
            case WebhookStatus.DROPPED:
                return f"{self.type} {self.status}{said}"
            case _:
                assert_never(self.status)

    @property
    def why_not(self) -> str:
        """Why an event that asks for it once more has nothing sent."""
        match self.status:
            case WebhookStatus.WAITING:
                return "it is noted already, and on its way"
            case WebhookStatus.DELIVERED:
                return "it was delivered already, nothing is sent"
            case WebhookStatus.PARKED:
                return "it was given up after days of failures, an operator decides"
            case WebhookStatus.DROPPED:
                return f"nothing is sent: {self.said}"
            case _:
                assert_never(self.status)


class Feed(State):
    """The webhooks about one order to one subscriber."""

    subscriber_id: SubscriberId
    order_id: OrderId
    property_id: PropertyId
    created_at: datetime
    entries: tuple[WebhookEntry, ...]
    """In the order in which they are sent."""
    next_at: str | None = None
    """When the first that waits is due, in the form of `moment`; none: nothing waits."""
    claim: str = ""
    """Of the attempt that is under way."""
    over_since: str | None = None
    """When the last of them was closed, in the form of `moment`; none: something waits, or a person must decide."""

    @property
    def needs_attention(self) -> bool:
        return any(each.status is WebhookStatus.PARKED for each in self.entries)

    @property
    def summary(self) -> str:
        """The newest that is closed and the first that waits, in words; the others by number."""
        closed = [each for each in self.entries if each.status is not WebhookStatus.WAITING]
        newest = max(closed, key=lambda each: each.delivered_at or each.noted_at, default=None)
        head, shown = self.head, list[str]()
        if len(closed) > 1:
            shown.append(f"{len(closed) - 1} earlier")
        if newest is not None:
            shown.append(newest.summary)
        if head is not None:
            is_sending = f"{head.type} being sent, attempt {head.attempts}"
            shown.append(is_sending if self.claim else head.summary)
        if (others := len(self.entries) - len(closed) - 1) > 0:
            shown.append(f"{others} more waiting")
        return "; ".join(shown)

    @property
    def head(self) -> WebhookEntry | None:
        """The first that waits."""
        return next((each for each in self.entries if each.status is WebhookStatus.WAITING), None)

    def entry(self, webhook_id: str) -> WebhookEntry | None:
        return next((each for each in self.entries if each.webhook_id == webhook_id), None)


def _after(attempts: int) -> str:
    return f" after {attempts} attempts" if attempts > 1 else " after 1 attempt" if attempts else ""


def moment(at: datetime) -> str:
    """A time as a text of fixed length: texts sort as their times do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def digest_of(body: str) -> str:
    """What tells a body from another one."""
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def feed_id_of(subscriber_id: SubscriberId, order_id: OrderId) -> str:
    """The document of an order's webhooks to a subscriber."""
    return joined(subscriber_id, order_id)


def webhook_id_of(subscriber_id: SubscriberId, order_id: OrderId, kind: WebhookType, about: str) -> WebhookId:
    """The id of a webhook: the same for the same subject, whatever message reports it."""
    return WebhookId(f"msg_{short_digest(json.dumps([subscriber_id, order_id, kind, about]))}")
