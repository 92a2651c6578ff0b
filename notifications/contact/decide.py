"""The contact's table of decisions. Pure."""

from datetime import date, datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Stale
from contracts.ids import GuestId
from contracts.mail import ContactSource, ForgetContact
from notifications.contact.inputs import ContactInput, KeepAddress, RetentionPassed
from notifications.contact.state import GuestContact

_SO_ALREADY = Ignored("it is so already")


def decide(contact: GuestContact | None, message: ContactInput, now: datetime) -> Decision[GuestContact]:
    """Decide on `message`."""
    if isinstance(message, RetentionPassed):
        return _aged(contact, message, now)
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
            return Applied(_forgotten(contact, message, now))
        case _:
            assert_never(message)


def _kept(contact: GuestContact | None, message: KeepAddress, now: datetime) -> Decision[GuestContact]:
    kept = GuestContact(
        property_id=message.property_id,
        guest_id=message.guest_id,
        email=message.email,
        language=message.language,
        source=message.source,
        stay_to=_later(contact, message.stay_to),
        created_at=contact.created_at if contact else now,
        asked_at=message.at,
    )
    if contact is None:
        return Applied(kept)
    is_token = message.source is ContactSource.TOKEN
    is_chosen = is_token and contact.source is ContactSource.GUEST
    is_known = (contact.email, contact.language) == (message.email, message.language)
    if not is_chosen and not (is_known and (is_token or contact.source is message.source)):
        return Applied(kept)
    if contact.guest_id and kept.stay_to != contact.stay_to:
        return Applied(contact.model_copy(update={"stay_to": kept.stay_to}))
    return Ignored("the guest has chosen otherwise") if is_chosen else _SO_ALREADY


def _forgotten(contact: GuestContact | None, message: ForgetContact, now: datetime) -> GuestContact:
    is_erased = message.source is ContactSource.OPERATOR
    return GuestContact(
        property_id=message.property_id,
        guest_id=GuestId("") if is_erased else message.guest_id,
        email=None,
        source=message.source,
        stay_to=None if is_erased else _later(contact, message.at.date()),
        created_at=contact.created_at if contact else now,
        asked_at=message.at,
    )


def _aged(contact: GuestContact | None, message: RetentionPassed, now: datetime) -> Decision[GuestContact]:
    if contact is None or contact.stay_to is None or contact.stay_to >= message.before:
        return Ignored("the guest's last stay is not long enough ago")
    erased = {"guest_id": GuestId(""), "stay_to": None}
    if contact.email is None:
        # That the guest wants no e-mail stays true.
        return Applied(contact.model_copy(update=erased))
    address = {"email": None, "language": None, "source": ContactSource.OPERATOR, "asked_at": now}
    return Applied(contact.model_copy(update=erased | address))


def _later(contact: GuestContact | None, day: date) -> date:
    return max(contact.stay_to, day) if contact is not None and contact.stay_to is not None else day
