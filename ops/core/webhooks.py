"""Subscribers of webhooks as operators manage them, and what was sent to each.

They are written to the store directly, not by commands: what travels on the bus stands in the message log for seven
days, and secrets do not belong there (docs/decisions/0052-webhooks-of-our-own.md).
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from chassis.decision import Applied, Outcome, Refused, reason_of
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import BY_OPERATOR
from chassis.runtime.secret_files import secret_from
from chassis.seal import Seal
from chassis.storage.audit_log import AuditLog
from chassis.storage.running_settings import RunningSettings
from chassis.storage.store import Store
from contracts.ids import OrderId, PropertyId, SubscriberId, WebhookId
from contracts.webhooks import OF_ORDERS, OrderData, WebhookType
from deploy.local.credentials import Credentials
from extras_service.collections import ExtrasStore
from ops.core.dry_run import RecordingPublisher
from ops.core.mails import described_in
from ops.core.target import Target
from webhooks.addresses import ForbiddenTargetError, place_of, shown
from webhooks.body import Body, body_of, body_of_test, order_data
from webhooks.collections import WebhookStore
from webhooks.due import Subject
from webhooks.feed.inputs import LeaveIt, SendAgain
from webhooks.feed.state import TESTS, Feed, WebhookEntry, WebhookStatus, digest_of, feed_id_of
from webhooks.keeper import wanted_by
from webhooks.signing import new_secret
from webhooks.subscriber.inputs import AddSubscriber, RotateSecret, SubscriberInput
from webhooks.subscriber.state import Subscriber, SubscriberStatus
from webhooks.wiring import SERVICE, Terms, WebhookParts, wire

KEPT_FOR = timedelta(hours=24)
"""How long webhooks are signed with the old secret as well, after it was replaced."""
TESTED_WITHIN = 45.0
"""Seconds to wait for the answer to a test."""
MOST = 200
"""Orders whose webhooks are listed at most."""


class NotDoneError(Exception):
    """Nothing was changed, for the reason in its words."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does it, and why: for the audit log."""

    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A new secret, shown this once."""

    subscriber: Subscriber
    value: str


async def _terms_at(store: Store) -> Terms:
    return await RunningSettings(store).read(SERVICE, Terms)


async def _parts_at(store: Store) -> WebhookParts:
    """The service's own parts, with its settings; nothing is sent from here."""
    await store.sync_clock()
    return wire(RecordingPublisher(), store, store.clock.now, await _terms_at(store))


async def subscribers_of(store: Store, property_id: str | None, *, everything: bool) -> list[Subscriber]:
    """The subscribers, of one property or of all; `everything`: also those that were removed."""
    statuses = list(SubscriberStatus) if everything else [SubscriberStatus.ENABLED, SubscriberStatus.DISABLED]
    found = await WebhookStore(store).present(*statuses)
    chosen = (each for each in found if property_id in (None, each.property_id))
    return sorted(chosen, key=lambda each: (each.property_id, each.created_at))


async def subscriber_named(store: Store, subscriber_id: str) -> Subscriber:
    """Raises NotDoneError."""
    stored = await WebhookStore(store).subscribers.load(subscriber_id)
    if stored is None:
        raise NotDoneError(f"There is no subscriber {subscriber_id}. `bellhop webhooks list` lists them.")
    return stored.state


async def add(
    target: Target, store: Store, property_id: str, url: str, kinds: tuple[WebhookType, ...], act: Act
) -> Secret:
    """Add a subscriber, with a secret of its own. Raises NotDoneError."""
    try:
        place_of(url, anywhere=(await _terms_at(store)).allow_private)
    except ForbiddenTargetError as error:
        raise NotDoneError(f"No webhook is sent to that address: {error}.") from None
    if await ExtrasStore(store).property_of(PropertyId(property_id)) is None:
        raise NotDoneError(f"There is no property {property_id}: no order would be reported.")
    seal, value = _seal(target), new_secret()
    subscriber_id = SubscriberId(f"whs_{secrets.token_hex(8)}")
    wanted = kinds or OF_ORDERS
    message = AddSubscriber(subscriber_id, PropertyId(property_id), url, wanted, seal.close(value))
    detail = f"{property_id}: {shown(url)}"
    return Secret(await _decided(store, subscriber_id, message, "webhooks add", act, detail), value)


async def rotate(target: Target, store: Store, subscriber_id: str, act: Act, *, at_once: bool) -> Secret:
    """Replace a subscriber's secret; the old one counts for a day more, or not at all. Raises NotDoneError."""
    await subscriber_named(store, subscriber_id)
    seal, value = _seal(target), new_secret()
    message = RotateSecret(seal.close(value), timedelta() if at_once else KEPT_FOR)
    return Secret(await _decided(store, subscriber_id, message, "webhooks rotate-secret", act), value)


async def change(store: Store, subscriber_id: str, message: SubscriberInput, action: str, act: Act) -> Subscriber:
    """Enable, disable or remove a subscriber. Raises NotDoneError."""
    before = await subscriber_named(store, subscriber_id)
    return await _decided(store, subscriber_id, message, action, act, before.summary)


async def try_out(store: Store, subscriber_id: str, act: Act) -> WebhookEntry:
    """Have a test sent, and wait for the first answer to it. Raises NotDoneError."""
    subscriber = await subscriber_named(store, subscriber_id)
    if subscriber.status is not SubscriberStatus.ENABLED:
        raise NotDoneError(f"{subscriber_id} is {subscriber.summary}: enable it first.")
    parts = await _parts_at(store)
    subject = Subject(WebhookType.TEST, TESTS, subscriber.property_id, uuid4().hex)
    wanted = wanted_by(subscriber.subscriber_id, subject)
    async with AuditLog(store).recorded("webhooks test", act.who, act.why, (subscriber_id,)) as recorded:
        await parts.feeds.handle(feed_id_of(subscriber.subscriber_id, TESTS), wanted, _delivery("webhooks test"))
        entry = await _answered(parts, subscriber.subscriber_id, TESTS, wanted.webhook_id)
        recorded.outcome = f"{entry.status}: {entry.said}"
    return entry


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook, with its feed."""

    feed: Feed
    entry: WebhookEntry


async def webhooks_of(store: Store, order_id: str | None, subscriber_id: str | None, *, parked: bool) -> list[Webhook]:
    """Webhooks of an order, else the newest of a subscriber, else all that were parked; `parked`: only those."""
    feeds = WebhookStore(store).feeds
    if order_id is not None:
        found = await feeds.find(MOST, order_id=order_id)
    elif subscriber_id is not None:
        found = await feeds.newest(MOST, subscriber_id=subscriber_id)
    else:
        found = [feed for _, feed in await feeds.needing_attention(MOST)]
    chosen = [feed for feed in found if subscriber_id in (None, feed.subscriber_id)]
    only_parked = parked or (order_id is None and subscriber_id is None)
    return [
        Webhook(feed, entry)
        for feed in chosen
        for entry in feed.entries
        if not only_parked or entry.status is WebhookStatus.PARKED
    ]


async def orders_with_receipts(
    store: Store, property_id: str, since: datetime | None, until: datetime | None
) -> AsyncIterator[OrderData]:
    """A property's orders as webhooks would say them now, about their last receipt: those whose first receipt was
    issued since then and before, the newest first.

    Raises NotDoneError for an unknown property, and StoreUnavailableError.
    """
    extras = ExtrasStore(store)
    if await extras.property_of(PropertyId(property_id)) is None:
        raise NotDoneError(f"There is no property {property_id}.")
    async for order_id in extras.receipts.all_ids(since, property_id=property_id):
        described = await described_in(store, order_id)
        if described is None or described.order_version is None or not described.receipts:
            continue
        if until is None or described.receipts[0].issued_at < until:
            yield order_data(described, described.order_version, about=described.receipts[-1].sequence)


@dataclass(frozen=True, slots=True)
class Plan:
    """What sending a webhook again would do."""

    webhook: Webhook
    subscriber: Subscriber
    body: Body | None
    """What would be sent now; none: there is no such order, and nothing would be."""

    @property
    def is_as_before(self) -> bool:
        """Whether the receiver has had this very content."""
        return self.body is not None and digest_of(self.body.text) == self.webhook.entry.digest


async def plan(store: Store, webhook_id: str, order_id: str) -> Plan:
    """The forecast of sending a webhook again: nothing is sent or changed. Raises NotDoneError."""
    found = await webhooks_of(store, order_id, None, parked=False)
    webhook = next((each for each in found if each.entry.webhook_id == webhook_id), None)
    if webhook is None:
        raise NotDoneError(f"There is no webhook {webhook_id} about {order_id}.")
    subscriber = await subscriber_named(store, webhook.feed.subscriber_id)
    if webhook.feed.order_id == TESTS:
        return Plan(webhook, subscriber, body_of_test(webhook.feed, webhook.entry))
    described = await described_in(store, order_id)
    if described is None or described.order_version is None:
        return Plan(webhook, subscriber, None)
    return Plan(webhook, subscriber, body_of(webhook.entry, described, described.order_version))


async def decide(store: Store, webhook: Webhook, message: SendAgain | LeaveIt, act: Act) -> WebhookEntry:
    """Have a webhook sent again, or leave a parked one at that. Raises NotDoneError."""
    parts = await _parts_at(store)
    feed, action = webhook.feed, f"webhooks {'send-again' if isinstance(message, SendAgain) else 'settle'}"
    subjects = (webhook.entry.webhook_id, feed.order_id, feed.subscriber_id)
    async with AuditLog(store).recorded(action, act.who, act.why, subjects, str(webhook.entry.status)) as recorded:
        handled = await parts.feeds.handle(feed_id_of(feed.subscriber_id, feed.order_id), message, _delivery(action))
        entry = handled.state.entry(webhook.entry.webhook_id) if handled.state else None
        if entry is None or not isinstance(handled.outcome, Applied):
            raise NotDoneError(f"Nothing was changed: {_words(handled.outcome)}.")
        if isinstance(message, SendAgain):
            entry = await _answered(parts, feed.subscriber_id, feed.order_id, entry.webhook_id)
        recorded.outcome = f"{entry.status}: {entry.said}"
    return entry


def _words(outcome: Outcome[Any]) -> str:
    return outcome.detail.rstrip(".") if isinstance(outcome, Refused) else reason_of(outcome) or outcome.name


async def _answered(
    parts: WebhookParts, subscriber_id: SubscriberId, order_id: OrderId, webhook_id: WebhookId
) -> WebhookEntry:
    """The webhook once a receiver has answered, or as it is after a while."""
    clock = asyncio.get_running_loop().time
    until = clock() + TESTED_WITHIN
    while True:
        stored = await parts.collections.feeds.load(feed_id_of(subscriber_id, order_id))
        entry = stored.state.entry(webhook_id) if stored else None
        if entry is None:
            raise NotDoneError("The webhook was lost: was the store restored meanwhile?")
        if entry.said or entry.status is not WebhookStatus.WAITING or clock() > until:
            return entry
        await asyncio.sleep(0.1)


async def _decided(
    store: Store, subscriber_id: str, message: SubscriberInput, action: str, act: Act, detail: str = ""
) -> Subscriber:
    parts = await _parts_at(store)
    async with AuditLog(store).recorded(action, act.who, act.why, (subscriber_id,), detail) as recorded:
        handled = await parts.subscribers.handle(subscriber_id, message, _delivery(action))
        if handled.state is None or not isinstance(handled.outcome, Applied):
            raise NotDoneError(f"Nothing was changed: {_words(handled.outcome)}.")
        recorded.outcome = handled.state.summary
    return handled.state


def _seal(target: Target) -> Seal:
    """The seal that the service opens secrets with. Raises NotDoneError."""
    keys = secret_from(os.environ, "BELLHOP_SEAL_KEYS")
    if target.stack is not None:
        keys = Credentials.kept_in(target.stack / "secrets.json").seal_key
    if not keys:
        raise NotDoneError("Set BELLHOP_SEAL_KEYS as the webhook service has it: the secret is kept sealed.")
    try:
        return Seal(SecretStr(keys))
    except ValueError as error:
        raise NotDoneError(str(error)) from None


def _delivery(action: str) -> Delivery:
    asked = f"{BY_OPERATOR}.{uuid4().hex}"
    return Delivery(asked, asked, action)
