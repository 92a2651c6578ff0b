"""The feed's table of decisions. Pure.

One webhook of a feed is under way at a time, the first that waits; so a receiver gets an order's webhooks in order. The
events of two receipts may come in the wrong order, if one is retried: the earlier receipt goes first (webhooks/due.py).
An attempt is claimed in the document before it begins: another process takes it over only when the claim has lapsed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Refused, Stale
from webhooks.feed.inputs import (
    AttemptBegun,
    AttemptEnded,
    FeedInput,
    GuestErased,
    LeaveIt,
    NotPossible,
    SendAgain,
    Verdict,
    WebhookWanted,
)
from webhooks.feed.state import Feed, WebhookEntry, WebhookStatus, digest_of, moment

CLAIMED_FOR = timedelta(minutes=1)
"""Then the process that made the attempt is gone. Longer than an attempt may take."""
PAUSES = tuple(timedelta(seconds=each) for each in (5, 30, 120, 600, 1800, 3600, 7200, 14400))
"""After each failed attempt; the last is repeated."""
LONGEST_ASKED = timedelta(hours=1)
"""A receiver that asks for a longer pause is asked after this one."""

_UNKNOWN = Ignored("no such webhook is known here")
_OTHER = Stale("of another attempt")
_FORGOTTEN = Ignored("too old: it may have been sent and deleted by age since, nothing is sent")
_ERASED = "the order has forgotten its guest"


def decide(
    feed: Feed | None,
    message: FeedInput,
    now: datetime,
    park_after: timedelta,
    keep_for: timedelta | None = None,
) -> Decision[Feed]:
    """Decide on `message`. `park_after`: how long attempts of one webhook are repeated. `keep_for`: how long feeds are
    known in which nothing waits; None: for ever.
    """
    if isinstance(message, WebhookWanted):
        return _wanted(feed, message, now, keep_for)
    if feed is None:
        return _UNKNOWN
    if isinstance(message, GuestErased):
        return _erased(feed, now)
    entry = feed.entry(message.webhook_id)
    if entry is None:
        return _UNKNOWN
    match message:
        case AttemptBegun():
            return _begun(feed, entry, message, now)
        case AttemptEnded():
            return _ended(feed, entry, message, now, park_after)
        case NotPossible(reason=reason):
            if entry != feed.head:
                return _OTHER
            return Applied(_closed(feed, entry, WebhookStatus.DROPPED, reason, now))
        case SendAgain():
            return _again(feed, entry, now)
        case LeaveIt(who=who):
            if entry.status is not WebhookStatus.PARKED:
                return Refused("webhook_not_parked", f"This webhook is {entry.status}: there is nothing to decide.")
            return Applied(_closed(feed, entry, WebhookStatus.DROPPED, f"left at that by {who}", now))
        case _:
            assert_never(message)


def is_over(feed: Feed, before: datetime) -> bool:
    """Whether a feed is needed no more: the last of its webhooks was closed before that time. See decision 55."""
    return feed.over_since is not None and feed.over_since < moment(before)


def _wanted(feed: Feed | None, message: WebhookWanted, now: datetime, keep_for: timedelta | None) -> Decision[Feed]:
    known = feed.entry(message.webhook_id) if feed is not None else None
    if known is not None:
        return Ignored(known.why_not)
    if keep_for is not None and message.at is not None and now - message.at > keep_for:
        return _FORGOTTEN
    new = WebhookEntry(webhook_id=message.webhook_id, type=message.type, receipt=message.receipt, noted_at=now)
    if feed is None:
        made = Feed(
            subscriber_id=message.subscriber_id,
            order_id=message.order_id,
            property_id=message.property_id,
            created_at=now,
            entries=(new,),
            next_at=moment(now),
        )
        return Applied(made)
    return Applied(_with(feed, _placed(feed.entries, new), now))


def _placed(entries: tuple[WebhookEntry, ...], new: WebhookEntry) -> tuple[WebhookEntry, ...]:
    """With the new one at the end, or before what is about a later receipt and has not been tried."""
    place = next((number for number, each in enumerate(entries) if _goes_after(each, new)), len(entries))
    return (*entries[:place], new, *entries[place:])


def _goes_after(entry: WebhookEntry, new: WebhookEntry) -> bool:
    if entry.receipt is None or new.receipt is None:
        return False
    return entry.receipt > new.receipt and entry.status is WebhookStatus.WAITING and not entry.attempts


def _begun(feed: Feed, entry: WebhookEntry, message: AttemptBegun, now: datetime) -> Decision[Feed]:
    if entry != feed.head or (feed.next_at or "") > moment(now):
        return _OTHER
    body = entry.body or message.body
    tried = {
        "attempts": entry.attempts + 1,
        "first_tried_at": entry.first_tried_at or now,
        "body": body,
        "digest": digest_of(body),
        "order_version": entry.order_version if entry.body else message.order_version,
    }
    changed = _replaced(feed.entries, entry.model_copy(update=tried))
    claimed = {"entries": changed, "claim": message.claim, "next_at": moment(now + CLAIMED_FOR)}
    return Applied(feed.model_copy(update=claimed))


def _ended(
    feed: Feed, entry: WebhookEntry, message: AttemptEnded, now: datetime, park_after: timedelta
) -> Decision[Feed]:
    # What a receiver has taken counts, also if the claim has lapsed meanwhile.
    is_late = feed.claim != message.claim and message.verdict is not Verdict.TAKEN
    if is_late or entry.status is WebhookStatus.DELIVERED:
        return _OTHER
    match message.verdict:
        case Verdict.TAKEN:
            taken = entry.model_copy(update={"delivered_at": now, "deliveries": entry.deliveries + 1})
            return Applied(_closed(feed, taken, WebhookStatus.DELIVERED, message.said, now))
        case Verdict.GONE | Verdict.FAILED:
            if now - (entry.first_tried_at or now) >= park_after:
                return Applied(_closed(feed, entry, WebhookStatus.PARKED, message.said, now))
            pause = PAUSES[min(entry.attempts, len(PAUSES)) - 1]
            if message.retry_after is not None:
                pause = max(pause, min(message.retry_after, LONGEST_ASKED))
            changed = _replaced(feed.entries, entry.model_copy(update={"said": message.said}))
            waiting = {"entries": changed, "claim": "", "next_at": moment(now + pause)}
            return Applied(feed.model_copy(update=waiting))
        case _:
            assert_never(message.verdict)


def _again(feed: Feed, entry: WebhookEntry, now: datetime) -> Decision[Feed]:
    if entry.status is WebhookStatus.WAITING:
        return Refused("webhook_waits", "This webhook is being sent without your doing.")
    fresh = {"status": WebhookStatus.WAITING, "attempts": 0, "first_tried_at": None, "said": "", "noted_at": now}
    others = tuple(each for each in feed.entries if each.webhook_id != entry.webhook_id)
    return Applied(_with(feed, (*others, entry.model_copy(update=fresh)), now))


def _erased(feed: Feed, now: datetime) -> Decision[Feed]:
    if feed.head is None:
        return Ignored("nothing of the guest is kept")
    dropped = {"status": WebhookStatus.DROPPED, "body": None, "said": _ERASED}
    entries = tuple(
        each.model_copy(update=dropped) if each.status is WebhookStatus.WAITING else each for each in feed.entries
    )
    return Applied(_with(feed, entries, now))


def _closed(feed: Feed, entry: WebhookEntry, status: WebhookStatus, said: str, now: datetime) -> Feed:
    closed = entry.model_copy(update={"status": status, "said": said, "body": None})
    was_next = feed.head is not None and feed.head.webhook_id == entry.webhook_id
    freed = feed.model_copy(update={"claim": "", "next_at": None}) if was_next else feed
    return _with(freed, _replaced(feed.entries, closed), now)


def _with(feed: Feed, entries: Sequence[WebhookEntry], now: datetime) -> Feed:
    """The feed with these entries; whatever waits first is due now, unless it is under way or put off."""
    changed = feed.model_copy(update={"entries": tuple(entries), "over_since": None})
    if changed.head is None:
        over_since = None if changed.needs_attention else moment(now)
        return changed.model_copy(update={"next_at": None, "claim": "", "over_since": over_since})
    is_planned = feed.next_at is not None and changed.head == feed.head
    return changed if is_planned else changed.model_copy(update={"next_at": moment(now)})


def _replaced(entries: tuple[WebhookEntry, ...], new: WebhookEntry) -> tuple[WebhookEntry, ...]:
    return tuple(new if each.webhook_id == new.webhook_id else each for each in entries)
