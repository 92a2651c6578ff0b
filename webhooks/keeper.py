"""Which webhooks are recorded: for each subscriber that wants to hear of an event, one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.decision import Applied, Ignored, Outcome
from chassis.messaging.envelope import Delivery
from chassis.storage.write_path import WritePath
from contracts.erasure import OrderErased
from contracts.ids import SubscriberId
from contracts.webhooks import WebhookType
from webhooks.collections import WebhookStore
from webhooks.directory import Directory
from webhooks.due import ReportedEvent, Subject, subject_of
from webhooks.feed.inputs import FeedInput, GuestErased, WebhookWanted
from webhooks.feed.state import Feed, feed_id_of, webhook_id_of

NO_SUBSCRIBER = "no subscriber wants to hear of it"


@dataclass(frozen=True, slots=True)
class WebhookKeeper:
    """Records webhooks. Raises TransientError; when the event is delivered again, it goes on where it stopped."""

    feeds: WritePath[Feed, FeedInput]
    collections: WebhookStore
    directory: Directory
    wake: Callable[[], None]
    """There is something to send."""

    async def record(self, event: ReportedEvent, delivery: Delivery) -> Outcome[Any]:
        """Record the webhooks that an event asks for, each once."""
        subject = subject_of(event, delivery.message_id)
        outcome: Outcome[Any] = Ignored(NO_SUBSCRIBER)
        for subscriber in self.directory.of(subject.property_id, subject.type):
            noted = await self._note(wanted_by(subscriber.subscriber_id, subject, delivery.sent_at), delivery)
            outcome = outcome if isinstance(outcome, Applied) else noted
        if isinstance(outcome, Applied):
            self.wake()
        return outcome

    async def erase(self, event: OrderErased, delivery: Delivery) -> Outcome[Any]:
        """Drop what waits about an order that has forgotten its guest: its body may name the guest."""
        outcome: Outcome[Any] = Ignored("nothing of the guest is kept")
        async for feed_id in self.collections.feed_ids_of_order(event.order_id):
            handled = (await self.feeds.handle(feed_id, GuestErased(), delivery)).outcome
            outcome = outcome if isinstance(outcome, Applied) else handled
        return outcome

    async def _note(self, wanted: WebhookWanted, delivery: Delivery) -> Outcome[Any]:
        feed_id = feed_id_of(wanted.subscriber_id, wanted.order_id)
        likely_new = wanted.type in (WebhookType.CONFIRMED, WebhookType.APPROVAL_NEEDED)
        return (await self.feeds.handle(feed_id, wanted, delivery, likely_new=likely_new)).outcome


def wanted_by(subscriber_id: SubscriberId, subject: Subject, at: datetime | None = None) -> WebhookWanted:
    """The webhook about this to a subscriber. `at`: when its event was sent."""
    webhook_id = webhook_id_of(subscriber_id, subject.order_id, subject.type, subject.about)
    return WebhookWanted(
        subscriber_id, subject.order_id, subject.property_id, webhook_id, subject.type, subject.receipt, at
    )
