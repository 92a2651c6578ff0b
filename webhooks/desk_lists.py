"""A property's subscribers and webhooks, as its staff see them at the desk: no secret, no body, nothing of a guest."""

from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from chassis.decision import Refused
from chassis.storage.cursors import NO_CURSOR, cursor_of, position_of
from contracts.deliveries import (
    DeliveryStatus,
    ListPropertyWebhooks,
    PropertySubscriber,
    PropertyWebhooks,
    SubscriberCondition,
    WebhookDelivery,
)
from contracts.ids import SubscriberId
from webhooks.addresses import shown
from webhooks.collections import WebhookStore
from webhooks.feed.state import TESTS, Feed, WebhookEntry, WebhookStatus
from webhooks.subscriber.state import Subscriber, SubscriberStatus

MOST_OF_A_FEED = 20
"""Webhooks shown about one order to one subscriber, the newest."""
_REMOVED = "the subscriber was removed"


@dataclass(frozen=True, slots=True)
class DeskLists:
    """Answers the desk. Raises StoreUnavailableError."""

    collections: WebhookStore

    async def page(self, query: ListPropertyWebhooks) -> PropertyWebhooks | Refused:
        """The property's subscribers, and a page of what was sent to them."""
        try:
            before = position_of(query.after)
        except ValueError:
            return NO_CURSOR
        present = await self.collections.present(SubscriberStatus.ENABLED, SubscriberStatus.DISABLED)
        own = {each.subscriber_id: each for each in present if each.property_id == query.property_id}
        feeds, following = list[Feed](), None
        if query.order_id is not None:
            found = await self.collections.feeds_of(query.order_id)
            feeds = [feed for feed in found if feed.property_id == query.property_id]
        else:
            last = None
            where = {"property_id": query.property_id}
            async with aclosing(self.collections.feeds.newest_first(where, before=before)) as listed:
                async for each in listed:
                    if len(feeds) == query.limit:
                        following = cursor_of(last)
                        break
                    feeds.append(each.state)
                    last = each.position
        newest_first = sorted(own.values(), key=lambda each: each.created_at, reverse=True)
        return PropertyWebhooks(
            subscribers=tuple(map(subscriber_view, newest_first)),
            deliveries=tuple(delivery for feed in feeds for delivery in deliveries_of(feed, own)),
            next=following,
        )


def subscriber_view(subscriber: Subscriber) -> PropertySubscriber:
    """A subscriber as staff see it."""
    condition, since, why = SubscriberCondition.ENABLED, None, ""
    if subscriber.status is not SubscriberStatus.ENABLED:
        by_itself = subscriber.disabled_itself
        condition = SubscriberCondition.GIVEN_UP if by_itself else SubscriberCondition.DISABLED
        since, why = subscriber.status_since, subscriber.cause
    elif subscriber.failing_since is not None:
        condition, since, why = SubscriberCondition.FAILING, subscriber.failing_since, subscriber.failed_with
    return PropertySubscriber(
        subscriber_id=subscriber.subscriber_id,
        address=shown(subscriber.url),
        kinds=subscriber.kinds,
        condition=condition,
        since=since,
        why=why,
        retry_at=subscriber.retry_at,
    )


def deliveries_of(feed: Feed, present: Mapping[SubscriberId, Subscriber]) -> Iterator[WebhookDelivery]:
    """The webhooks of a feed as staff see them, the newest first. `present`: the subscribers that were not removed."""
    subscriber = present.get(feed.subscriber_id)
    for entry in feed.entries[: -MOST_OF_A_FEED - 1 : -1]:
        status = _status(feed, entry, subscriber)
        is_removed = status is DeliveryStatus.DROPPED and entry.status is WebhookStatus.WAITING
        yield WebhookDelivery(
            webhook_id=entry.webhook_id,
            subscriber_id=feed.subscriber_id,
            order_id=None if feed.order_id == TESTS else feed.order_id,
            type=entry.type,
            status=status,
            noted_at=entry.noted_at,
            attempts=entry.attempts,
            said=_REMOVED if is_removed else entry.said,
            delivered_at=entry.delivered_at,
            next_at=_next_at(feed, entry, subscriber, status),
        )


def _status(feed: Feed, entry: WebhookEntry, subscriber: Subscriber | None) -> DeliveryStatus:
    match entry.status:
        case WebhookStatus.DELIVERED:
            return DeliveryStatus.DELIVERED
        case WebhookStatus.PARKED:
            return DeliveryStatus.PARKED
        case WebhookStatus.DROPPED:
            return DeliveryStatus.DROPPED
        case WebhookStatus.WAITING if subscriber is None:
            return DeliveryStatus.DROPPED
        case WebhookStatus.WAITING if subscriber.status is not SubscriberStatus.ENABLED:
            return DeliveryStatus.HELD
        case WebhookStatus.WAITING if feed.claim and entry == feed.head:
            return DeliveryStatus.SENDING
        case WebhookStatus.WAITING:
            return DeliveryStatus.RETRYING if entry.attempts else DeliveryStatus.WAITING
        case _:
            assert_never(entry.status)


def _next_at(feed: Feed, entry: WebhookEntry, subscriber: Subscriber | None, status: DeliveryStatus) -> datetime | None:
    """When the next attempt is made: not before the subscriber is asked again."""
    is_planned = status in (DeliveryStatus.WAITING, DeliveryStatus.RETRYING) and entry == feed.head
    if not is_planned or feed.next_at is None:
        return None
    due = datetime.fromisoformat(feed.next_at)
    held = subscriber.retry_at if subscriber else None
    return max(due, held) if held else due
