"""The notification service's collections: guests' contacts, and mails."""

from datetime import UTC, datetime

from chassis.storage.documents import Documents, DocumentStore
from contracts.ids import GuestId, OrderId, PropertyId
from notifications.contact.state import GuestContact, contact_id_of
from notifications.mail.state import Mail, MailStatus

_MOST_MAILS = 200
"""Of one order: a refund of each line, and as many reviews, are fewer."""


class NotificationStore:
    def __init__(self, store: DocumentStore) -> None:
        self.contacts: Documents[GuestContact] = store.documents("guest_contacts", GuestContact, indexed=("stay_to",))
        self.mails: Documents[Mail] = store.documents("mails", Mail, indexed=("order_id", "status"))

    async def contact_of(self, property_id: PropertyId, guest_id: GuestId) -> GuestContact | None:
        """The guest's contact, or None if there never was one."""
        stored = await self.contacts.load(contact_id_of(property_id, guest_id))
        return stored.state if stored else None

    async def mails_of(self, order_id: OrderId) -> list[Mail]:
        """The mails about an order."""
        return await self.mails.find(_MOST_MAILS, order_id=order_id)

    async def over_before(self, before: datetime, limit: int) -> list[str]:
        """Ids of mails that were recorded before a time and are over, so many of each status, the oldest first."""
        created = before.astimezone(UTC).isoformat()
        return [
            mail_id
            for status in (MailStatus.SENT, MailStatus.DROPPED)
            for mail_id in await self.mails.ids_below("created_at", created, limit, status=status)
        ]

    async def prepare(self) -> None:
        """Create the indexes."""
        await self.contacts.prepare()
        await self.mails.prepare()
