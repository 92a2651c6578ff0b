"""The webhook service's collections: subscribers, and the webhooks to each about each order."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from chassis.storage.documents import Documents, DocumentStore
from contracts.ids import OrderId, SubscriberId
from webhooks.feed.state import Feed, moment
from webhooks.subscriber.state import Subscriber, SubscriberStatus

MOST_SUBSCRIBERS = 500
"""Of an installation, with those that were removed not counted."""

_INSTANT = timedelta(microseconds=1)
"""What is due now is due."""


class WebhookStore:
    def __init__(self, store: DocumentStore) -> None:
        self.subscribers: Documents[Subscriber] = store.documents("webhook_subscribers", Subscriber, ("status",))
        self.feeds: Documents[Feed] = store.documents(
            "webhook_feeds", Feed, ("subscriber_id+next_at", "subscriber_id", "order_id", "property_id", "over_since")
        )

    async def present(self, *statuses: SubscriberStatus) -> list[Subscriber]:
        """The subscribers in one of these statuses, the newest first in each."""
        return [each for status in statuses for each in await self.subscribers.find(MOST_SUBSCRIBERS, status=status)]

    async def enabled(self) -> list[Subscriber]:
        """The subscribers that are enabled: read at every sweep."""
        return await self.subscribers.swept(MOST_SUBSCRIBERS, status=SubscriberStatus.ENABLED)

    async def due(self, subscriber_id: SubscriberId, now: datetime, limit: int) -> list[str]:
        """Ids of a subscriber's feeds that have something to send, the longest due first."""
        return await self.feeds.ids_below("next_at", moment(now + _INSTANT), limit, subscriber_id=subscriber_id)

    async def over_before(self, before: datetime, limit: int) -> list[str]:
        """Ids of feeds in which nothing has waited since before a time, the oldest first."""
        return await self.feeds.ids_below("over_since", moment(before), limit)

    async def feeds_of(self, order_id: OrderId) -> list[Feed]:
        """An order's feeds, one per subscriber."""
        return await self.feeds.find(MOST_SUBSCRIBERS, order_id=order_id)

    def feed_ids_of_order(self, order_id: OrderId) -> AsyncIterator[str]:
        return self.feeds.ids(order_id=order_id)

    async def prepare(self) -> None:
        """Create the indexes."""
        await self.subscribers.prepare()
        await self.feeds.prepare()
