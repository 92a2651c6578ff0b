"""The subscribers as this process knows them: read again at every sweep, so that an event asks no store for them."""

from collections.abc import Iterable

from contracts.ids import PropertyId, SubscriberId
from contracts.webhooks import WebhookType
from webhooks.collections import WebhookStore
from webhooks.subscriber.state import Subscriber, SubscriberStatus


class Directory:
    def __init__(self, collections: WebhookStore) -> None:
        self._collections = collections
        self._enabled: dict[SubscriberId, Subscriber] = {}

    @property
    def enabled(self) -> Iterable[Subscriber]:
        return tuple(self._enabled.values())

    def of(self, property_id: PropertyId, kind: WebhookType) -> list[Subscriber]:
        """Those that hear of this."""
        return [each for each in self._enabled.values() if each.wants(property_id, kind)]

    async def refresh(self) -> None:
        """Read them again. Raises StoreUnavailableError."""
        found = await self._collections.enabled()
        self._enabled = {each.subscriber_id: each for each in found}

    def know(self, subscriber: Subscriber) -> None:
        """What this process has just written counts at once."""
        if subscriber.status is SubscriberStatus.ENABLED:
            self._enabled[subscriber.subscriber_id] = subscriber
        else:
            self._enabled.pop(subscriber.subscriber_id, None)
