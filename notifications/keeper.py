"""Which mails and addresses are recorded: with a mail server what the tables say, without one nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from chassis.decision import Ignored, Outcome, Refused
from chassis.messaging.envelope import Delivery
from chassis.messaging.own_causes import erasing
from chassis.seal import Seal
from chassis.storage.write_path import WritePath, others_go_on
from contracts.mail import ContactReply, ForgetContact, GetContact, KeepContact, MailCommand, SendMail
from contracts.message import Reply
from contracts.orders import Reason, Refusal
from notifications.collections import NotificationStore
from notifications.contact.inputs import ContactInput, KeepAddress, RetentionPassed
from notifications.contact.state import GuestContact, contact_id_of
from notifications.due import MailedEvent, mail_of
from notifications.mail.decide import Terms
from notifications.mail.inputs import MailInput, MailWanted, SendingBegun
from notifications.mail.state import Mail, Recipient
from notifications.writing import NO_ADDRESS

log = structlog.get_logger()

OFF = "no mail server is set (BELLHOP_SMTP_HOST): nothing is recorded, nothing is sent"
_SEALED = "[sealed]"
_ERASED_AT_ONCE = 200
_REFUSED = Refused(Reason.MAIL_OFF, "This hotel sends no e-mail about orders.")


@dataclass(frozen=True, slots=True)
class NotificationKeeper:
    """Records mails and addresses."""

    mails: WritePath[Mail, MailInput]
    contacts: WritePath[GuestContact, ContactInput]
    collections: NotificationStore
    terms: Terms
    seal: Seal | None
    """None in a dry run, which opens no address."""
    clock: Callable[[], datetime]
    erase_after: timedelta | None = None
    """After the last stay's end. None: never by age."""

    async def record(self, event: MailedEvent, delivery: Delivery) -> Outcome[Any]:
        """Record the mail that an event asks for, once."""
        if not self.terms.is_on:
            return Ignored(OFF)
        wanted = mail_of(event, delivery.message_id)
        if isinstance(wanted, str):
            return Ignored(wanted)
        if wanted.recipient is Recipient.GUEST and wanted.guest_id is not None:
            contact = await self.collections.contact_of(wanted.property_id, wanted.guest_id)
            if contact is None or contact.email is None:
                return Ignored(NO_ADDRESS)
        message = MailWanted(wanted, delivery.sent_at)
        return (await self.mails.handle(wanted.mail_id, message, delivery, likely_new=True)).outcome

    async def rehearse(self, command: SendMail, delivery: Delivery) -> Outcome[Any]:
        """What sending would be decided to be: without a mail server nothing, in a dry run the mark."""
        if not self.terms.is_on:
            return Ignored(OFF)
        return (await self.mails.handle(command.mail_id, SendingBegun(command.round, ""), delivery)).outcome

    async def decided(self, command: MailCommand, delivery: Delivery) -> Outcome[Any]:
        """What an operator decides about a mail."""
        if not self.terms.is_on:
            return Ignored(OFF)
        assert isinstance(command, MailInput)
        return (await self.mails.handle(command.mail_id, command, delivery)).outcome

    async def keep(self, command: KeepContact, delivery: Delivery) -> tuple[Outcome[Any], Reply]:
        if not self.terms.is_on:
            return _REFUSED, Refusal(reason=Reason.MAIL_OFF, detail=_REFUSED.detail)
        if command.sealed_email is None:
            return Ignored("its address was erased"), ContactReply()
        email = self.seal.open(command.sealed_email) if self.seal else _SEALED
        address = KeepAddress(
            command.property_id,
            command.guest_id,
            command.source,
            command.at,
            email,
            command.language,
            command.stay_to or command.at.date(),
        )
        return await self._changed(command, address, delivery)

    async def forget(self, command: ForgetContact, delivery: Delivery) -> tuple[Outcome[Any], Reply]:
        """Also without a mail server: an address may be known from a time when there was one."""
        return await self._changed(command, command, delivery)

    async def sweep_old(self) -> int:
        """Forget the addresses of guests whose last stay ended long enough ago, a number of them at once. Each is found
        once. Returns their number. Raises StoreUnavailableError."""
        if self.erase_after is None:
            return 0
        before = (self.clock() - self.erase_after).date()
        ids = await self.collections.contacts.ids_below("stay_to", before.isoformat(), _ERASED_AT_ONCE)
        for contact_id in ids:
            with others_go_on(contact_id):
                await self.contacts.handle(contact_id, RetentionPassed(before), erasing(contact_id, "age"))
        if ids:
            log.info("contacts.erased_by_age", contacts=len(ids))
        return len(ids)

    async def _changed(
        self, command: KeepContact | ForgetContact, message: ContactInput, delivery: Delivery
    ) -> tuple[Outcome[Any], Reply]:
        contact_id = contact_id_of(command.property_id, command.guest_id)
        handled = await self.contacts.handle(contact_id, message, delivery)
        return handled.outcome, self._reply(handled.state)

    async def contact(self, query: GetContact) -> Reply:
        return self._reply(await self.collections.contact_of(query.property_id, query.guest_id))

    def _reply(self, contact: GuestContact | None) -> Reply:
        if contact is None or contact.email is None or self.seal is None:
            return ContactReply()
        return ContactReply(sealed_email=self.seal.close(contact.email), language=contact.language)
