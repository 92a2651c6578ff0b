"""What must be true of e-mail, by what the mail server has taken."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from contracts.order_receipts import ReceiptIssued, ReceiptKind
from extras_service.receipt.state import OrderReceipts
from notifications.contact.state import GuestContact, contact_id_of
from notifications.mail.state import Mail, MailStatus, Recipient, Template, WantedMail
from tests.simulation import letters
from tests.simulation.mail import RECEPTION, address_of

if TYPE_CHECKING:
    from tests.simulation.world import World

_RESTORED = (MailStatus.DUE, MailStatus.DROPPED)
_OPEN = (MailStatus.DUE, MailStatus.PARKED)


def _mails(world: "World") -> dict[str, Mail]:
    documents = world.collection("mails").documents
    return {mail_id: Mail.model_validate(raw["state"]) for mail_id, raw in documents.items()}


def being_sent(world: "World") -> Iterator[str]:
    """What is still on its way."""
    for mail_id, raw in world.collection("mails").documents.items():
        if raw["state"]["status"] == MailStatus.SENDING:
            yield f"{mail_id} is being sent"


def no_mail_is_sent_twice(world: "World") -> Iterator[str]:
    """By itself; no operator of the simulation asks for it."""
    for mail_id, times in Counter(each.mail_id for each in world.mail.posted).items():
        if times > 1:
            yield f"the mail server has taken {mail_id} {times} times"


def a_mail_is_what_became_of_it(world: "World") -> Iterator[str]:
    """Sent, if and only if the mail server has taken it; or unknown; or a dead letter says why it is not sent.

    A restored store need not know what it has forgotten. What comes again is dropped there, and what it has as due
    is due until it is too old, whether the mail server has it or not.
    """
    reverted = world.restores.reverted
    taken, known = {each.mail_id for each in world.mail.posted}, _mails(world)
    parked = " ".join(each.message_id for each in letters.parked(world))
    for mail_id in taken - known.keys() - reverted:
        yield f"{mail_id} was sent and is not known"
    for mail_id, mail in known.items():
        if mail_id in reverted and mail.status in _RESTORED:
            continue
        if mail.status is not MailStatus.UNKNOWN and (mail.status is MailStatus.SENT) != (mail_id in taken):
            yield f"{mail.summary} ({mail_id}), and the mail server {'has' if mail_id in taken else 'never took'} it"
        if mail.status in _OPEN and mail_id not in parked:
            yield f"{mail.summary} ({mail_id}), and nothing will send it"


def a_mail_goes_to_whom_it_is_about(world: "World") -> Iterator[str]:
    guests, known = {each.order_id: each.guest.guest_id for each in world.people.orders}, _mails(world)
    for posted in world.mail.posted:
        mail = known.get(posted.mail_id)
        if mail is None:
            continue  # which is another law's
        is_guests = mail.wanted.recipient is Recipient.GUEST
        if posted.to != (address_of(guests[mail.order_id]) if is_guests else RECEPTION):
            yield f"{mail.summary} of {mail.order_id} went to {posted.to}"


def who_was_confirmed_has_a_mail(world: "World") -> Iterator[str]:
    """Or a dead letter: whose payment has a receipt, issued when the guest's address was known, as it still is."""
    known = _mails(world)
    parked = [each.message_id for each in letters.parked(world) if each.kind == ReceiptIssued.wire_kind()]
    contacts = world.collection("guest_contacts").documents
    for raw in world.collection("receipts").documents.values():
        filed = OrderReceipts.model_validate(raw["state"])
        guest = next(each.guest for each in world.people.orders if each.order_id == filed.order_id)
        contact = contacts.get(contact_id_of(guest.property_id, guest.guest_id))
        known_as = GuestContact.model_validate(contact["state"]) if contact is not None else None
        if known_as is None or known_as.email is None:
            continue  # no address, or the guest was erased
        since = known_as.created_at
        paid = (each for each in filed.receipts if each.receipt_kind is ReceiptKind.PAYMENT)
        is_due = any(each.issued_at > since for each in paid)
        wanted = WantedMail(template=Template.CONFIRMED, order_id=filed.order_id, property_id=guest.property_id)
        is_parked = any(filed.order_id in message_id for message_id in parked)
        is_forgotten = bool({filed.order_id, wanted.mail_id} & world.restores.reverted)
        if is_due and wanted.mail_id not in known and not is_parked and not is_forgotten:
            yield f"the guest of {filed.order_id} gets no mail about its confirmation"
