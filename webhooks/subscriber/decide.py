"""The subscriber's table of decisions. Pure."""

from datetime import datetime, timedelta
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Refused
from webhooks.subscriber.inputs import (
    AddSubscriber,
    AttemptFailed,
    AttemptSucceeded,
    DisableSubscriber,
    EnableSubscriber,
    RemoveSubscriber,
    RotateSecret,
    SubscriberInput,
)
from webhooks.subscriber.state import SealedSecret, Subscriber, SubscriberStatus

HELD_FROM = 3
"""Failures in a row from which a receiver is asked one webhook at a time, and with growing pauses."""
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=10)

_UNKNOWN = Refused("no_such_subscriber", "There is no such subscriber.")
_REMOVED = Refused("subscriber_removed", "This subscriber was removed; add it again.")
_HEALTHY = {"failures": 0, "failing_since": None, "failed_with": "", "retry_at": None}


def decide(
    subscriber: Subscriber | None, message: SubscriberInput, now: datetime, disable_after: timedelta
) -> Decision[Subscriber]:
    """Decide on `message`. `disable_after`: how long every attempt must have failed until it is disabled."""
    if isinstance(message, AddSubscriber):
        return _added(message, now) if subscriber is None else Ignored("it is there already")
    if subscriber is None:
        return _UNKNOWN
    if subscriber.status is SubscriberStatus.REMOVED:
        return _REMOVED
    match message:
        case RotateSecret(sealed_secret=sealed, keep_for=keep_for):
            kept = tuple(
                each.model_copy(update={"until": min(each.until or now + keep_for, now + keep_for)})
                for each in subscriber.secrets_at(now)
            )
            secrets = (SealedSecret(sealed=sealed), *(each for each in kept if keep_for))
            return Applied(subscriber.model_copy(update={"secrets": secrets}))
        case EnableSubscriber():
            if subscriber.status is SubscriberStatus.ENABLED:
                return Ignored("it is enabled already")
            return Applied(_with_status(subscriber, SubscriberStatus.ENABLED, "", now))
        case DisableSubscriber(cause=cause):
            if subscriber.status is SubscriberStatus.DISABLED and not subscriber.disabled_itself:
                return Ignored("it is disabled already")
            return Applied(_with_status(subscriber, SubscriberStatus.DISABLED, cause, now))
        case RemoveSubscriber(cause=cause):
            return Applied(_with_status(subscriber, SubscriberStatus.REMOVED, cause, now))
        case AttemptFailed():
            return _failed(subscriber, message, now, disable_after)
        case AttemptSucceeded():
            if subscriber.failing_since is None or subscriber.status is not SubscriberStatus.ENABLED:
                return Ignored("it is not failing")
            return Applied(subscriber.model_copy(update=_HEALTHY))
        case _:
            assert_never(message)


def is_held(subscriber: Subscriber, now: datetime) -> bool:
    """Whether the next attempt must wait."""
    return subscriber.retry_at is not None and now < subscriber.retry_at


def at_once(subscriber: Subscriber, most: int) -> int:
    """How many webhooks may be on their way to it."""
    return 1 if subscriber.failures >= HELD_FROM else most


def _added(message: AddSubscriber, now: datetime) -> Decision[Subscriber]:
    return Applied(
        Subscriber(
            subscriber_id=message.subscriber_id,
            property_id=message.property_id,
            url=message.url,
            kinds=message.kinds,
            secrets=(SealedSecret(sealed=message.sealed_secret),),
            status=SubscriberStatus.ENABLED,
            status_since=now,
            created_at=now,
        )
    )


def _with_status(
    subscriber: Subscriber, status: SubscriberStatus, cause: str, now: datetime, *, itself: bool = False
) -> Subscriber:
    # A removed one signs nothing any more.
    secrets = () if status is SubscriberStatus.REMOVED else subscriber.secrets
    changes = {"status": status, "status_since": now, "cause": cause, "disabled_itself": itself, "secrets": secrets}
    return subscriber.model_copy(update=_HEALTHY | changes)


def _failed(
    subscriber: Subscriber, message: AttemptFailed, now: datetime, disable_after: timedelta
) -> Decision[Subscriber]:
    if subscriber.status is not SubscriberStatus.ENABLED:
        return Ignored("it is disabled already")
    if message.is_gone:
        return Applied(_with_status(subscriber, SubscriberStatus.DISABLED, message.said, now, itself=True))
    since, failures = subscriber.failing_since or now, subscriber.failures + 1
    if now - since >= disable_after:
        cause = f"every attempt has failed since {since:%Y-%m-%d %H:%M} UTC, the newest: {message.said}"
        return Applied(_with_status(subscriber, SubscriberStatus.DISABLED, cause, now, itself=True))
    held = min(_FIRST_PAUSE * 2 ** min(failures - HELD_FROM, 16), _LONGEST_PAUSE) if failures >= HELD_FROM else None
    changes = {
        "failures": failures,
        "failing_since": since,
        "failed_with": message.said,
        "retry_at": now + held if held else None,
    }
    return Applied(subscriber.model_copy(update=changes))
