"""What e-mails say, in every language, whatever text is in them."""

import email
from email.policy import default
from html.parser import HTMLParser

import pytest

from contracts.order_actions import ReviewResolution
from contracts.orders import OrderStatus, TakenOut
from contracts.properties import PropertyDefinition
from extras_service.order.state import Order
from notifications.letter.message import Letter
from notifications.letter.text import Text, not_wanted, reception_of, text_of
from notifications.letter.wording import WORDS
from notifications.mail.state import Recipient, Template, WantedMail
from tests.support import mails
from tests.support import orders as given
from tests.support.receipts import taxed
from tests.unit.chassis.test_receipts import HOSTILE, refunded

SENDER = "extras@bellhop.example"


def cases() -> dict[Template, tuple[Order, str]]:
    """An order for each template, and what the mail is about."""
    failed = given.after(given.confirmed(), given.refunding(1200), given.refund_failed())
    return {
        Template.CONFIRMED: (taxed(given.confirmed()), ""),
        Template.DECLINED: (given.in_status(OrderStatus.DECLINED), ""),
        Template.CANCELLED: (given.in_status(OrderStatus.CANCELLED), ""),
        Template.REFUNDED: (refunded(), "2"),
        Template.APPROVAL_NEEDED: (given.in_status(OrderStatus.AWAITING_APPROVAL), ""),
        Template.APPROVAL_REMINDER: (given.in_status(OrderStatus.AWAITING_APPROVAL), ""),
        Template.REVIEW: (given.in_status(OrderStatus.NEEDS_REVIEW), "m-1"),
        Template.REFUND_FAILED: (failed, f"{failed.refunds[0].refund_id}:failed"),
    }


CASES = cases()
each = pytest.mark.parametrize("template", Template)
every_language = pytest.mark.parametrize("language", WORDS)


def text(template: Template, language: str = "en", hotel: PropertyDefinition | None = mails.HOTEL) -> Text:
    order, about = CASES[template]
    return text_of(mails.wanted(template, about), mails.described(order, hotel), language)


class Seen(HTMLParser):
    """The text of a page, and what it loads or links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [(name, value) for name, value in attrs if name in ("src", "href", "background", "style")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_every_language_has_the_same_words() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}


@each
@every_language
def test_a_mail_names_the_order_its_lines_and_the_hotel(template: Template, language: str) -> None:
    order, _ = CASES[template]

    written = text(template, language)

    name = "Alpenhof am See" if language == "de" else "Alpenhof"
    assert order.order_id in written.plain
    assert "{" not in written.plain + written.subject
    assert written.sender_name == name
    assert name in written.plain
    assert "48" in written.plain
    assert ("info@alpenhof.example" in written.plain) == (template.recipient is Recipient.GUEST)


@each
@every_language
def test_the_html_says_the_same_and_loads_nothing(template: Template, language: str) -> None:
    written = text(template, language)

    seen = Seen(written.html)

    assert seen.loaded == []
    assert seen.tags <= {"html", "head", "meta", "title", "body", "p", "table", "tr", "td", "br"}
    said = "".join(seen.words.split())
    assert all("".join(line.split()) in said for line in written.plain.split("\n\n")[0].splitlines())


def test_a_declined_guest_reads_why_and_that_nothing_was_charged() -> None:
    written = text(Template.DECLINED, "de").plain

    assert "Der Grund: " in written
    assert CASES[Template.DECLINED][0].view().declined_because in written  # type: ignore[operator]
    assert "nichts abgebucht" in written


def test_a_refund_is_named_by_its_amount() -> None:
    written = text(Template.REFUNDED)

    assert written.subject == "Alpenhof: 12.00 EUR refunded"
    assert written.with_receipts


def test_reception_reads_until_when_it_may_approve_in_the_hotels_time() -> None:
    written = text(Template.APPROVAL_NEEDED).plain
    approve_by = CASES[Template.APPROVAL_NEEDED][0].view().approve_by

    assert approve_by is not None
    assert str(approve_by.year) in written


@each
@pytest.mark.parametrize("foreign", HOSTILE)
def test_foreign_text_stays_text(template: Template, foreign: str) -> None:
    order, about = CASES[template]
    lines = tuple(line.model_copy(update={"name": {"en": foreign}}) for line in order.lines)
    hotel = PropertyDefinition(name={"en": foreign}, address=foreign, contact_phone=foreign, contact_email=foreign)
    described = mails.described(order.model_copy(update={"lines": lines}), hotel)

    written = text_of(mails.wanted(template, about), described, "en")
    letter = Letter(mails.wanted(template, about).mail_id, SENDER, "anna@example.org", written)
    raw = letter.as_bytes(given.NOW)
    message = email.message_from_bytes(raw, policy=default)

    assert Seen(written.html).tags <= {"html", "head", "meta", "title", "body", "p", "table", "tr", "td", "br"}
    assert "\n" not in written.subject
    assert len(written.sender_name) <= 80
    assert {name for name in message if name.lower() in ("to", "from", "cc", "bcc", "subject")} == {
        "To",
        "From",
        "Subject",
    }
    assert message["To"] == "anna@example.org"
    assert message["From"].addresses[0].addr_spec == SENDER
    assert raw.isascii()
    assert max(len(line) for line in raw.splitlines()) < 1000


def test_a_letter_has_a_text_the_same_as_html_and_the_receipts() -> None:
    written = text(Template.CONFIRMED, "de")
    letter = Letter(
        mails.wanted().mail_id, SENDER, "anna@example.org", written, "info@alpenhof.example", b"%PDF-1.7 made up"
    )

    message = email.message_from_bytes(letter.as_bytes(given.NOW), policy=default)

    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == written.plain.splitlines()
    assert html.get_content().strip() == written.html
    [attached] = message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", "receipt.pdf")
    assert attached.get_content() == b"%PDF-1.7 made up"
    assert message["Message-ID"] == f"<{mails.wanted().mail_id}@bellhop.example>"
    assert message["Reply-To"] == "info@alpenhof.example"
    assert message["Auto-Submitted"] == "auto-generated"


@each
def test_a_mail_is_wanted_while_it_is_true_and_not_afterwards(template: Template) -> None:
    order, about = CASES[template]
    wanted = mails.wanted(template, about)
    review = given.after(given.in_status(OrderStatus.NEEDS_REVIEW), given.resolving(ReviewResolution.REFUND))

    assert not_wanted(wanted, mails.described(order)) is None
    overtaken = not_wanted(wanted, mails.described(review if template is Template.DECLINED else given.placed()))
    assert overtaken is not None
    assert "moved on" in overtaken


@pytest.mark.parametrize(
    ("address", "reception"),
    [
        ("info@alpenhof.example", "info@alpenhof.example"),
        (" info@alpenhof.example ", "info@alpenhof.example"),
        ("", None),
        ("Alpenhof <info@alpenhof.example>", None),
        ("a@b.example, c@d.example", None),
        ("info@alpenhof", None),
        ("info@alpenhof.example\nBcc: x@y.example", None),
    ],
)
def test_reception_is_written_to_at_one_plain_address_only(address: str, reception: str | None) -> None:
    assert reception_of(PropertyDefinition(name={"en": "A"}, contact_email=address)) == reception
    assert reception_of(None) is None


def test_a_property_that_is_not_defined_is_named_by_its_id() -> None:
    assert text(Template.CONFIRMED, hotel=None).sender_name == "alpenhof"


def test_nothing_in_a_letter_shows_an_address_or_a_text_by_accident() -> None:
    letter = Letter(mails.wanted().mail_id, SENDER, "anna@example.org", text(Template.CONFIRMED))

    assert "anna@" not in repr(letter)
    assert isinstance(mails.wanted(), WantedMail)


def test_what_the_hotel_took_out_of_an_order_is_said_with_the_reason_and_not_charged() -> None:
    order = taxed(given.confirmed())
    gone = TakenOut(lines=(0,), amount=order.lines[0].line_total, reason="The pool is closed.")
    described = mails.described(order)
    view = described.order.model_copy(update={"taken_out": gone})

    written = text_of(mails.wanted(), described.model_copy(update={"order": view}), "en").plain

    assert "The reason: The pool is closed." in written
    assert "(not taken): 0.00 EUR" in written
