"""How the parts of the notification service fit together: for the service itself, for dry runs and for tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from chassis.messaging.consumer import Handler, Handlers
from chassis.messaging.descriptions import Descriptions
from chassis.messaging.envelope import Publisher
from chassis.runtime.background import Loop
from chassis.runtime.health import Check
from chassis.runtime.waiting import Waiting
from chassis.seal import Seal
from chassis.storage.documents import DocumentStore
from chassis.storage.retention import RetentionSweep
from chassis.storage.write_path import WritePath
from contracts import services
from contracts.mail import SendMail
from contracts.topology import MAIL_COMMANDS, MAIL_EVENTS, MAIL_QUERIES, MAIL_SENDING
from notifications.collections import NotificationStore
from notifications.contact.decide import decide as decide_contact
from notifications.contact.inputs import ContactInput
from notifications.contact.state import GuestContact
from notifications.courier import Courier, Post
from notifications.handlers import NotificationHandlers
from notifications.keeper import NotificationKeeper
from notifications.mail.decide import Terms, decide, is_over
from notifications.mail.inputs import DeadlinePassed, MailInput
from notifications.mail.state import Mail
from notifications.writing import Writer

SERVICE = services.NOTIFICATIONS
_ERASED_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Sending:
    """What it takes to send a mail."""

    descriptions: Descriptions
    writer: Writer
    post: Post


@dataclass(frozen=True, slots=True)
class NotificationParts:
    """The service without its connections."""

    collections: NotificationStore
    contacts: WritePath[GuestContact, ContactInput]
    mails: WritePath[Mail, MailInput]
    keeper: NotificationKeeper
    handlers: NotificationHandlers
    send: Handler
    retention: RetentionSweep[Mail]

    @property
    def tables(self) -> Mapping[str, Handlers]:
        """What is done with each message, by the name of the queue it comes from."""
        return {
            MAIL_COMMANDS.name: self.handlers.commands(),
            MAIL_EVENTS.name: self.handlers.events(),
            MAIL_SENDING.name: {SendMail: self.send},
            MAIL_QUERIES.name: self.handlers.queries(),
        }

    @property
    def paths(self) -> tuple[WritePath[Any, Any], ...]:
        return self.contacts, self.mails

    def loops(self, sweep_every: float) -> tuple[Loop, ...]:
        """The background work; `sweep_every` in seconds."""
        aged = Loop("addresses to erase by age", _ERASED_EVERY, self.keeper.sweep_old)
        return *self.mails.loops("mails", sweep_every), aged, *self.retention.loops()

    def checks(self) -> dict[str, Check]:
        """For readiness."""
        return self.mails.checks("mails")

    def watch(self, waiting: Waiting) -> None:
        """Show by gauges what waits."""
        self.mails.watch(waiting, "mails", "mails_unknown")


def wire(
    bus: Publisher,
    store: DocumentStore,
    clock: Callable[[], datetime],
    terms: Terms,
    seal: Seal | None = None,
    sending: Sending | None = None,
    *,
    erase_after: timedelta | None = None,
) -> NotificationParts:
    """Nothing is asked of bus or store here. Without `sending` (a dry run, no mail server) none is sent. `erase_after`
    the day of departure, addresses go.
    """
    collections = NotificationStore(store)
    contacts = WritePath(collections.contacts, bus, decide_contact, deduplicates=False, clock=clock)
    # What is done about a mail is known by its document, not by the message that led to it.
    mails: WritePath[Mail, MailInput] = WritePath(
        collections.mails,
        bus,
        partial(decide, terms=terms),
        on_deadline=DeadlinePassed(),
        deduplicates=False,
        clock=clock,
    )
    keeper = NotificationKeeper(mails, contacts, collections, terms, seal, clock, erase_after)
    send: Handler = keeper.rehearse
    if sending is not None:
        send = Courier(mails, collections, sending.descriptions, sending.writer, sending.post, clock).send
    retention = RetentionSweep("mails", mails.delete, collections.over_before, is_over, terms.keep_for, clock)
    return NotificationParts(collections, contacts, mails, keeper, NotificationHandlers(keeper, bus), send, retention)
