"""The contact's table of decisions. Pure."""

from datetime import datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Stale
from contracts.ids import GuestId
from contracts.mail import ContactSource, ForgetContact
from notifications.contact.inputs import ContactInput, KeepAddress
from notifications.contact.state import GuestContact

_SO_ALREADY = Ignored("it is so already")


def decide(contact: GuestContact | None, message: ContactInput, now: datetime) -> Decision[GuestContact]:
    """Decide on `message`."""
    if contact is not None and message.at <= contact.asked_at:
        return Stale("asked for before what is known now")
    match message:
        case KeepAddress():
            return _kept(contact, message, now)
        case ForgetContact(source=source):
            if contact is None and source is not ContactSource.GUEST:
                return Ignored("no address is known")
            if contact is not None and contact.email is None and contact.source is source:
                return _SO_ALREADY
            return Applied(_changed(contact, message, now, None, None))
        case _:
            assert_never(message)


def _kept(contact: GuestContact | None, message: KeepAddress, now: datetime) -> Decision[GuestContact]:
    if contact is not None:
        is_token = message.source is ContactSource.TOKEN
        if is_token and contact.source is ContactSource.GUEST:
            return Ignored("the guest has chosen otherwise")
        known = (contact.email, contact.language)
        if known == (message.email, message.language) and (is_token or contact.source is message.source):
            return _SO_ALREADY
    return Applied(_changed(contact, message, now, message.email, message.language))


def _changed(
    contact: GuestContact | None, message: ContactInput, now: datetime, email: str | None, language: str | None
) -> GuestContact:
    return GuestContact(
        property_id=message.property_id,
        guest_id=GuestId("") if message.source is ContactSource.OPERATOR else message.guest_id,
        email=email,
        language=language,
        source=message.source,
        created_at=contact.created_at if contact else now,
        asked_at=message.at,
    )
