"""How the parts of the webhook service fit together: for the service itself, for operators, for dry runs and tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chassis.messaging.consumer import Handlers
from chassis.messaging.envelope import Publisher
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.waiting import Waiting
from chassis.storage.documents import DocumentStore
from chassis.storage.retention import RetentionSweep
from chassis.storage.write_path import WritePath
from contracts import services
from contracts.topology import WEBHOOK_EVENTS, WEBHOOK_QUERIES
from webhooks.collections import WebhookStore
from webhooks.desk_lists import DeskLists
from webhooks.directory import Directory
from webhooks.dispatcher import Dispatcher, Sending
from webhooks.feed.decide import decide as decide_feed
from webhooks.feed.decide import is_over
from webhooks.feed.inputs import FeedInput
from webhooks.feed.state import Feed
from webhooks.handlers import WebhookHandlers
from webhooks.keeper import WebhookKeeper
from webhooks.subscriber.decide import decide as decide_subscriber
from webhooks.subscriber.inputs import SubscriberInput
from webhooks.subscriber.state import Subscriber

SERVICE = services.WEBHOOKS


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings that decisions, and operators' commands, depend on."""

    give_up_after: timedelta = timedelta(days=3)
    allow_private: bool = False
    keep_for: timedelta | None = None
    """How long feeds are known in which nothing waits. None: for ever."""


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The service without its connections."""

    collections: WebhookStore
    directory: Directory
    subscribers: WritePath[Subscriber, SubscriberInput]
    feeds: WritePath[Feed, FeedInput]
    handlers: WebhookHandlers
    dispatcher: Dispatcher | None
    """None: nothing is sent here."""
    clock: Callable[[], datetime]
    retention: RetentionSweep[Feed]

    @property
    def tables(self) -> Mapping[str, Handlers]:
        """What is done with each message, by the name of the queue it comes from."""
        return {WEBHOOK_EVENTS.name: self.handlers.events(), WEBHOOK_QUERIES.name: self.handlers.queries()}

    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]:
        """None has an outbox: what is sent over the bus are replies."""
        return ()

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        """The background work; `sweep_every` in seconds."""
        if self.dispatcher is None:
            return ()
        return (
            Loop("webhooks", sweep_every, self.dispatcher.look),
            Loop("attempts of webhooks", sweep_every, self.dispatcher.hold),
            *self.retention.loops(),
        )

    def checks(self) -> dict[str, Check]:
        """For readiness: nothing beside the store and the bus."""
        return {}

    def watch(self, waiting: Waiting) -> None:
        """Show by gauges which subscribers fail, and which orders have webhooks that were given up."""
        waiting.watch("webhooks_failing", lambda: self.collections.subscribers.attention_since(self.clock()))
        waiting.watch("webhooks_parked", lambda: self.collections.feeds.attention_since(self.clock()))


def wire(
    bus: Publisher,
    store: DocumentStore,
    clock: Callable[[], datetime],
    terms: Terms,
    sending: Sending | None = None,
) -> WebhookParts:
    """Nothing is asked of bus or store here. Without `sending` (a dry run, an operator) nothing is sent."""
    collections = WebhookStore(store)
    directory = Directory(collections)
    # What is done about a webhook is known by its feed, not by the message that led to it.
    subscribers: WritePath[Subscriber, SubscriberInput] = WritePath(
        collections.subscribers,
        bus,
        partial(decide_subscriber, disable_after=terms.give_up_after),
        deduplicates=False,
        clock=clock,
    )
    feeds: WritePath[Feed, FeedInput] = WritePath(
        collections.feeds,
        bus,
        partial(decide_feed, park_after=terms.give_up_after, keep_for=terms.keep_for),
        deduplicates=False,
        clock=clock,
    )
    dispatcher = Dispatcher(feeds, subscribers, collections, directory, sending, clock) if sending else None
    keeper = WebhookKeeper(feeds, collections, directory, dispatcher.wake if dispatcher else lambda: None)
    retention = RetentionSweep("webhooks", feeds.delete, collections.over_before, is_over, terms.keep_for, clock)
    handlers = WebhookHandlers(keeper, DeskLists(collections), bus)
    return WebhookParts(collections, directory, subscribers, feeds, handlers, dispatcher, clock, retention)
