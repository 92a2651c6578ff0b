"""A guest's address: who may give it, who may take it away, and what never brings it back."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from chassis.decision import Applied, Ignored, Stale
from contracts.mail import ContactSource, ForgetContact
from notifications.contact.decide import decide
from notifications.contact.inputs import ContactInput, KeepAddress, RetentionPassed
from notifications.contact.state import GuestContact, contact_id_of
from tests.support import orders as given

NOW = given.NOW
TOKEN, GUEST, OPERATOR = ContactSource
ANNA = given.guest()


def keep(
    source: ContactSource, email: str = "anna@example.org", at: datetime = NOW, stay_to: date = ANNA.stay_to
) -> KeepAddress:
    return KeepAddress(ANNA.property_id, ANNA.guest_id, source, at, email, "de", stay_to)


def forget(source: ContactSource, at: datetime = NOW) -> ForgetContact:
    return ForgetContact(property_id=ANNA.property_id, guest_id=ANNA.guest_id, source=source, at=at)


def _at(message: ContactInput, at: datetime) -> ContactInput:
    match message:
        case KeepAddress():
            return replace(message, at=at)
        case ForgetContact():
            return message.model_copy(update={"at": at})
        case RetentionPassed():
            return message


def after(*messages: ContactInput) -> GuestContact | None:
    """The contact after messages a minute apart, those that change nothing included."""
    contact = None
    for minute, message in enumerate(messages):
        at = NOW + timedelta(minutes=minute)
        decision = decide(contact, _at(message, at), at)
        contact = decision.state if isinstance(decision, Applied) else contact
    return contact


@pytest.mark.parametrize(
    ("messages", "email"),
    [
        ((keep(TOKEN),), "anna@example.org"),
        ((keep(TOKEN), keep(TOKEN, "new@example.org")), "new@example.org"),
        ((keep(TOKEN), keep(GUEST, "own@example.org")), "own@example.org"),
        ((keep(GUEST, "own@example.org"), keep(TOKEN)), "own@example.org"),
        ((keep(TOKEN), forget(GUEST)), None),
        ((keep(TOKEN), forget(GUEST), keep(TOKEN)), None),
        ((forget(GUEST), keep(TOKEN)), None),
        ((keep(TOKEN), forget(GUEST), keep(GUEST, "own@example.org")), "own@example.org"),
        ((keep(GUEST), forget(OPERATOR)), None),
        ((keep(GUEST), forget(OPERATOR), keep(TOKEN, "again@example.org")), "again@example.org"),
    ],
)
def test_what_the_guest_says_outweighs_every_token(messages: tuple[ContactInput, ...], email: str | None) -> None:
    contact = after(*messages)

    assert (contact.email if contact else None) == email


@pytest.mark.parametrize("source", [TOKEN, GUEST])
def test_an_older_command_never_brings_an_address_back(source: ContactSource) -> None:
    erased = after(keep(TOKEN), keep(GUEST), forget(OPERATOR))

    decision = decide(erased, keep(source, at=NOW + timedelta(seconds=90)), NOW + timedelta(days=1))

    assert isinstance(decision, Stale)


@pytest.mark.parametrize("source", [TOKEN, GUEST])
def test_the_same_address_again_changes_nothing(source: ContactSource) -> None:
    known = after(keep(source))

    assert isinstance(decide(known, keep(source, at=NOW + timedelta(hours=1)), NOW), Ignored)


def test_what_is_not_known_needs_no_erasing() -> None:
    assert isinstance(decide(None, forget(OPERATOR), NOW), Ignored)


LATER = ANNA.stay_to + timedelta(days=200)
AGED, AGED_LATER = (RetentionPassed(day + timedelta(days=1)) for day in (ANNA.stay_to, LATER))


@pytest.mark.parametrize(
    ("messages", "email"),
    [
        ((keep(TOKEN), AGED), None),
        ((keep(GUEST), AGED), None),
        ((keep(TOKEN), RetentionPassed(ANNA.stay_to)), "anna@example.org"),
        ((keep(TOKEN), keep(TOKEN, stay_to=LATER), AGED), "anna@example.org"),
        ((keep(GUEST), keep(TOKEN, "desk@example.org", stay_to=LATER), AGED), "anna@example.org"),
        ((keep(GUEST), keep(TOKEN, "desk@example.org", stay_to=LATER), AGED_LATER), None),
        ((keep(TOKEN, stay_to=LATER), keep(TOKEN), AGED), "anna@example.org"),
        ((keep(TOKEN), AGED, keep(TOKEN, "new@example.org")), "new@example.org"),
        ((keep(TOKEN), forget(GUEST), AGED_LATER, keep(TOKEN, stay_to=LATER)), None),
        ((keep(TOKEN), forget(GUEST), AGED_LATER, keep(GUEST, "own@example.org")), "own@example.org"),
        ((AGED,), None),
    ],
)
def test_an_address_ages_from_the_end_of_the_last_stay(messages: tuple[ContactInput, ...], email: str | None) -> None:
    contact = after(*messages)

    assert (contact.email if contact else None) == email


@pytest.mark.parametrize("said", [(keep(TOKEN),), (keep(TOKEN), forget(GUEST)), (forget(GUEST),)])
def test_an_aged_contact_names_no_guest_and_is_not_found_again(said: tuple[ContactInput, ...]) -> None:
    contact = after(*said, AGED_LATER)

    assert contact is not None
    assert (contact.guest_id, contact.stay_to) == ("", None)
    assert isinstance(decide(contact, AGED_LATER, NOW), Ignored)


def test_an_older_command_does_not_bring_back_what_has_aged() -> None:
    aged = after(keep(TOKEN), AGED)

    assert isinstance(decide(aged, keep(GUEST), NOW + timedelta(days=1)), Stale)


def test_no_text_form_shows_an_address() -> None:
    contact = after(keep(GUEST))

    assert contact is not None
    assert "anna@" not in f"{contact!r} {contact} {contact.summary} {keep(GUEST)!r}"


def test_contacts_of_two_guests_or_properties_differ() -> None:
    ids = {contact_id_of(property_id, guest_id) for property_id, guest_id in [("a", "b"), ("ab", ""), ("b", "a")]}  # type: ignore[arg-type]

    assert len(ids) == 3
