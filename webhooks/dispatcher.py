"""Sends webhooks that are due, at least once each, in order per order and subscriber.

1. The order is described, and the body written. 2. The attempt is claimed in the feed's document, with the body. 3. The
body is signed and sent. 4. The answer is written down. A process that dies after step 2 leaves a claim that lapses:
the same body is sent again under the same id. Each subscriber has its own attempts: one that hangs delays no other.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from chassis.decision import Applied
from chassis.errors import TransientError, is_transient
from chassis.messaging.descriptions import Descriptions
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import ATTEMPT
from chassis.runtime import tracing
from chassis.runtime.background import start, stop
from chassis.runtime.backoff import Backoff
from chassis.runtime.startup import retry_until_available
from chassis.runtime.steps import Step, Steps
from chassis.runtime.tracing import Kind, Span
from chassis.seal import BrokenSealError, Seal
from chassis.storage.write_path import WritePath
from contracts.ids import SubscriberId, bounded_id
from webhooks.body import Body, body_of, body_of_test
from webhooks.collections import WebhookStore
from webhooks.directory import Directory
from webhooks.due import awaited_before
from webhooks.feed.inputs import AttemptBegun, AttemptEnded, FeedInput, NotPossible, Verdict
from webhooks.feed.state import TESTS, Feed, WebhookEntry, WebhookStatus, moment
from webhooks.http import Said
from webhooks.signing import signed
from webhooks.subscriber.decide import at_once, is_held
from webhooks.subscriber.inputs import AttemptFailed, AttemptSucceeded, SubscriberInput
from webhooks.subscriber.state import Subscriber

log = structlog.get_logger()

_WRITE_DOWN_WITHIN = 60.0
"""Seconds in which the store must take an answer; else the claim lapses, and the webhook is sent again."""
_LONGEST_PAUSE = 60.0
"""Seconds until a webhook that could not be attempted is looked at again."""


class Receivers(Protocol):
    """Where webhooks are sent to."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Said: ...


class OlderServiceError(TransientError):
    """An extras service of an older version does not say which version of an order it describes."""


class EarlierReceiptError(TransientError):
    """A webhook about an earlier receipt of the order goes first."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What it takes to send a webhook."""

    descriptions: Descriptions
    receivers: Receivers
    seal: Seal
    most_at_once: int
    """Attempts to one subscriber that are under way."""
    steps: Steps = field(default_factory=Steps)


class Dispatcher:
    """The attempts of one process."""

    def __init__(
        self,
        feeds: WritePath[Feed, FeedInput],
        subscribers: WritePath[Subscriber, SubscriberInput],
        collections: WebhookStore,
        directory: Directory,
        sending: Sending,
        clock: Callable[[], datetime],
    ) -> None:
        self._feeds = feeds
        self._subscribers = subscribers
        self._collections = collections
        self._directory = directory
        self._sending = sending
        self._clock = clock
        self._running: dict[SubscriberId, dict[str, asyncio.Task[None]]] = {}
        self._put_off = Backoff(_LONGEST_PAUSE)
        self._looking: asyncio.Task[None] | None = None
        self._is_wanted = False

    def wake(self) -> None:
        """There is something to send: look for it now, and not at the next turn of the loop."""
        self._is_wanted = True
        if self._looking is None or self._looking.done():
            self._looking = start(self._woken(), "look for webhooks")

    async def look(self) -> None:
        """Begin what is due, to the subscribers as they are now. Raises StoreUnavailableError."""
        await self._directory.refresh()
        await self.sweep()

    async def hold(self) -> None:
        """Wait; when the service stops, end what is under way. A claim that is left lapses."""
        try:
            await asyncio.Event().wait()
        finally:
            looking = (self._looking,) if self._looking is not None else ()
            await stop(*looking, *(task for tasks in self._running.values() for task in tasks.values()))

    async def sweep(self) -> None:
        """Begin the attempts that are due. Raises StoreUnavailableError."""
        for subscriber in self._directory.enabled:
            running = self._running.setdefault(subscriber.subscriber_id, {})
            most = at_once(subscriber, self._sending.most_at_once)
            if len(running) >= most or is_held(subscriber, self._clock()):
                continue
            limit = most + len(self._put_off)
            due = await self._collections.due(subscriber.subscriber_id, self._clock(), limit)
            for feed_id in due:
                # Counted at each: another sweep may have begun some meanwhile.
                if len(running) < most and feed_id not in running and not self._put_off.waits(feed_id):
                    running[feed_id] = start(self._attempted(subscriber, feed_id), f"webhook {feed_id}")

    async def idle(self) -> None:
        """Wait until no attempt is under way."""
        while tasks := [task for running in self._running.values() for task in running.values()]:
            await asyncio.wait(tasks)

    async def _woken(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                await self.look()
            except TransientError as error:
                log.warning("webhooks.unswept", error=str(error))

    async def _attempted(self, subscriber: Subscriber, feed_id: str) -> None:
        try:
            await self._attempt(subscriber, feed_id)
            self._put_off.succeeded(feed_id)
        except Exception as error:
            # Whatever is wrong with one order, the others' turns come.
            self._put_off.failed(feed_id)
            log.warning("webhook.put_off", feed_id=feed_id, error=str(error), exc_info=not is_transient(error))
        finally:
            del self._running[subscriber.subscriber_id][feed_id]
            self.wake()

    async def _attempt(self, subscriber: Subscriber, feed_id: str) -> None:
        stored = await self._collections.feeds.load(feed_id)
        feed = stored.state if stored else None
        head = feed.head if feed else None
        if feed is None or head is None or (feed.next_at or "") > moment(self._clock()):
            return
        with _span_of(subscriber, feed, head):
            await self._attempt_of(subscriber, feed_id, feed, head)

    async def _attempt_of(self, subscriber: Subscriber, feed_id: str, feed: Feed, head: WebhookEntry) -> None:
        body = await self._body(subscriber, feed, head)
        delivery = _delivery(feed, head)
        if body is None:
            await self._feeds.handle(feed_id, NotPossible(head.webhook_id, "there is no such order"), delivery)
            return
        claim = secrets.token_hex(8)
        begun = AttemptBegun(head.webhook_id, claim, body.text, body.order_version)
        handled = await self._feeds.handle(feed_id, begun, delivery)
        if not isinstance(handled.outcome, Applied) or handled.state is None or handled.state.claim != claim:
            return
        entry = handled.state.entry(head.webhook_id)
        assert entry is not None
        assert entry.body is not None
        said = await self._post(subscriber, entry.webhook_id, entry.body)
        ended = AttemptEnded(entry.webhook_id, claim, said.verdict, said.text, said.retry_after)
        await retry_until_available(
            partial(self._write_down, feed_id, entry, ended, delivery.step("answer")), within=_WRITE_DOWN_WITHIN
        )
        await self._note(subscriber, said, delivery)
        log.info(
            "webhook.answered",
            webhook_id=entry.webhook_id,
            subscriber_id=subscriber.subscriber_id,
            order_id=feed.order_id,
            attempt=entry.attempts,
            verdict=said.verdict,
            said=said.text,
        )

    async def _write_down(self, feed_id: str, entry: WebhookEntry, ended: AttemptEnded, delivery: Delivery) -> None:
        handled = await self._feeds.handle(feed_id, ended, delivery)
        after = handled.state.entry(entry.webhook_id) if handled.state is not None else None
        if isinstance(handled.outcome, Applied) and after is not None and after.status is not WebhookStatus.WAITING:
            is_parked = after.status is WebhookStatus.PARKED
            self._sending.steps.ended(Step.WEBHOOK_DELIVERED, entry.noted_at, self._clock(), failed=is_parked)

    async def _body(self, subscriber: Subscriber, feed: Feed, entry: WebhookEntry) -> Body | None:
        if entry.body is not None:
            return Body(entry.body, entry.order_version)
        if feed.order_id == TESTS:
            return body_of_test(feed, entry)
        described = await self._sending.descriptions.of(feed.order_id, feed.property_id)
        if described is None:
            return None
        if described.order_version is None:
            raise OlderServiceError("the extras service is older than this one: update it first")
        if (earlier := awaited_before(entry, feed, described.receipts, subscriber, self._clock())) is not None:
            raise EarlierReceiptError(f"the event of the order's receipt {earlier.sequence} has not come yet")
        return body_of(entry, described, described.order_version)

    async def _post(self, subscriber: Subscriber, webhook_id: str, body: str) -> Said:
        now = self._clock()
        try:
            keys = [self._sending.seal.open(each.sealed) for each in subscriber.secrets_at(now)]
        except BrokenSealError as error:
            return Said(Verdict.FAILED, f"not sent: {error}")
        return await self._sending.receivers.post(subscriber.url, signed(webhook_id, now, body, *keys), body.encode())

    async def _note(self, subscriber: Subscriber, said: Said, delivery: Delivery) -> None:
        """Let the subscriber's document know: also of each success, for another process may have seen it fail."""
        message: SubscriberInput = AttemptSucceeded()
        if said.verdict is not Verdict.TAKEN:
            message = AttemptFailed(said.text, is_gone=said.verdict is Verdict.GONE)
        handled = await self._subscribers.handle(subscriber.subscriber_id, message, delivery.step("subscriber"))
        if handled.state is not None:
            self._directory.know(handled.state)


def _span_of(subscriber: Subscriber, feed: Feed, entry: WebhookEntry) -> Span:
    """In the trace of the order: no message is being handled."""
    return tracing.begin(
        f"webhook {entry.type}",
        Kind.CONSUMER,
        order_id=feed.order_id,
        attributes={
            "bellhop.webhook_id": entry.webhook_id,
            "bellhop.subscriber_id": subscriber.subscriber_id,
            "bellhop.attempt": entry.attempts + 1,
        },
    )


def _delivery(feed: Feed, entry: WebhookEntry) -> Delivery:
    return Delivery(
        message_id=bounded_id(f"{entry.webhook_id}.{ATTEMPT}.{entry.attempts + 1}"),
        correlation_id=bounded_id(feed.order_id),
        kind=ATTEMPT,
    )
