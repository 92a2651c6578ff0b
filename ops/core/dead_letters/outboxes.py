"""Moves parked messages between the outboxes of documents and the dead letters."""

from collections.abc import AsyncIterator

from chassis.messaging.envelope import Envelope, StoredMessage, utc_now
from chassis.messaging.headers import text
from chassis.storage.documents import Parked
from chassis.storage.parked_outbox import ParkedMessage
from chassis.storage.store import Store
from extras_service.collections import ExtrasStore
from notifications.collections import NotificationStore
from ops.core.messages import RecordedMessage
from payment_service.collections import PaymentStore

_MUST_BE_ROUTED = "must_be_routed"


class Outboxes:
    """The outboxes of all documents, by the name that stands for the dead queue in their letters."""

    def __init__(self, store: Store) -> None:
        extras, payments = ExtrasStore(store), PaymentStore(store)
        self._parked: dict[str, Parked] = {
            "outbox.orders": extras.orders.parked,
            "outbox.stock": extras.stock.parked,
            "outbox.catalogue": extras.catalogue.parked,
            "outbox.properties": extras.properties.parked,
            "outbox.receipt_registers": extras.registers.parked,
            "outbox.payments": payments.payments.parked,
            "outbox.sweeps": payments.sweeps.parked,
            "outbox.mails": NotificationStore(store).mails.parked,
        }

    async def parked(self) -> AsyncIterator[tuple[str, ParkedMessage]]:
        """Every parked message, with the name of its outbox. Raises StoreUnavailableError."""
        for name, outbox in self._parked.items():
            for message in await outbox.all():
                yield name, message

    async def remove(self, name: str, message: ParkedMessage) -> None:
        """Remove a message from its document, once it is stored elsewhere. Raises StoreUnavailableError."""
        await self._parked[name].remove(message)

    async def put_back(self, name: str, document_id: str, message: RecordedMessage) -> bool:
        """Return a message to its outbox. False if its document is gone. Raises StoreUnavailableError."""
        return await self._parked[name].put_back(document_id, _envelope_of(message), utc_now())


def seen(message: ParkedMessage) -> RecordedMessage:
    """A parked message in the form of dead letters."""
    envelope = message.envelope
    known = {"traceparent": envelope.traceparent, _MUST_BE_ROUTED: envelope.must_be_routed}
    return RecordedMessage(
        message_id=envelope.message_id,
        kind=envelope.kind,
        body=envelope.message.to_wire(),
        correlation_id=envelope.correlation_id,
        causation_id=envelope.causation_id,
        sender=message.service,
        exchange=envelope.exchange,
        routing_key=envelope.routing_key,
        headers={name: value for name, value in known.items() if value is not None}
        | {
            "error_type": message.error_type,
            "error": message.error,
            "last_failed_at": message.parked_at,
        },
    )


def _envelope_of(message: RecordedMessage) -> Envelope:
    routed = message.headers.get(_MUST_BE_ROUTED)
    return Envelope(
        StoredMessage(message.kind, message.body, message.exchange, routed if isinstance(routed, bool) else None),
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        causation_id=message.causation_id,
        traceparent=text(message.headers, "traceparent"),
    )
