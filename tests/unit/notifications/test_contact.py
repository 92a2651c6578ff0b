"""A guest's address: who may give it, who may take it away, and what never brings it back."""

from datetime import datetime, timedelta

import pytest

from chassis.decision import Applied, Ignored, Stale
from contracts.mail import ContactSource, ForgetContact
from notifications.contact.decide import decide
from notifications.contact.inputs import ContactInput, KeepAddress
from notifications.contact.state import GuestContact, contact_id_of
from tests.support import orders as given

NOW = given.NOW
TOKEN, GUEST, OPERATOR = ContactSource
ANNA = given.guest()


def keep(source: ContactSource, email: str = "anna@example.org", at: datetime = NOW) -> KeepAddress:
    return KeepAddress(ANNA.property_id, ANNA.guest_id, source, at, email, "de")


def forget(source: ContactSource, at: datetime = NOW) -> ForgetContact:
    return ForgetContact(property_id=ANNA.property_id, guest_id=ANNA.guest_id, source=source, at=at)


def after(*messages: ContactInput) -> GuestContact | None:
    """The contact after messages a minute apart, those that change nothing included."""
    contact = None
    for minute, message in enumerate(messages):
        at = NOW + timedelta(minutes=minute)
        later = (
            message.model_copy(update={"at": at})
            if isinstance(message, ForgetContact)
            else KeepAddress(ANNA.property_id, ANNA.guest_id, message.source, at, message.email, message.language)
        )
        decision = decide(contact, later, at)
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


def test_no_text_form_shows_an_address() -> None:
    contact = after(keep(GUEST))

    assert contact is not None
    assert "anna@" not in f"{contact!r} {contact} {contact.summary} {keep(GUEST)!r}"


def test_contacts_of_two_guests_or_properties_differ() -> None:
    ids = {contact_id_of(property_id, guest_id) for property_id, guest_id in [("a", "b"), ("ab", ""), ("b", "a")]}  # type: ignore[arg-type]

    assert len(ids) == 3
