"""The receipts of an order as JSON, page and PDF, in the guest's language, whatever text is in them."""

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from chassis.receipts.document import document_of
from chassis.receipts.page import POLICY, page_of
from chassis.receipts.pdf import PdfPrinter
from chassis.receipts.printed import Printed, cleaned, printed
from chassis.receipts.wording import WORDS, language_of
from contracts.answers import OrderReceiptsAnswer
from contracts.order_receipts import Hotel, ReceiptsReply
from extras_service.order.state import Order
from tests.support import orders as given
from tests.support.receipts import eur, issued, refund_made, taxed

HOTEL = Hotel(
    property_version=1,
    name={"en": "Alpenhof", "de": "Alpenhof am See"},
    address="Dorfstraße 1\n6020 Innsbruck",
    vat_id="ATU12345678",
    time_zone="Europe/Vienna",
)
HOSTILE = (
    '<script>alert(1)</script> & "quotes"',
    "#panic() $x$ *bold* `raw` \\ @cite <label> // comment /* */",
    "سبا خاص — ספא פרטי",
    "\u202egnirts a\u2066 \x00\x1b[31m\r\n\ud7ff",
    "👩‍🍳🧖 Frühstück 早餐",
    "W" * 5000,
    "",
    " ",
)


def answered(order: Order, hotel: Hotel = HOTEL) -> OrderReceiptsAnswer:
    receipts = tuple(each.model_copy(update={"hotel": hotel}) for each in issued(order))
    return document_of(ReceiptsReply(order=order.view(), receipts=receipts))


def refunded() -> Order:
    return given.after(taxed(given.confirmed()), given.refunding(1200), refund_made(1200))


def hostile(text: str) -> Printed:
    order = refunded()
    lines = tuple(line.model_copy(update={"name": {"en": text}}) for line in order.lines)
    hotel = HOTEL.model_copy(update={"name": {"en": text}, "address": text, "vat_id": text, "contact_email": text})
    return printed(answered(order.model_copy(update={"lines": lines}), hotel), "en")


def test_the_sums_are_those_of_the_receipts() -> None:
    answer = answered(refunded())

    assert (answer.paid, answer.refunded, answer.kept) == (eur(4800), eur(1200), eur(3600))
    [kept] = answer.vat
    assert (kept.rate, kept.gross, kept.tax) == (1000, eur(3600), eur(327))
    assert kept.net == eur(3273)
    assert [receipt.vat[0].gross for receipt in answer.receipts] == [eur(4800), eur(1200)]


def test_a_document_is_in_the_language_of_its_reader() -> None:
    english, german = printed(answered(refunded()), "en"), printed(answered(refunded()), "de")

    assert english.hotel == ("Alpenhof", "Dorfstraße 1", "6020 Innsbruck", "VAT ID: ATU12345678")
    assert german.hotel[0] == "Alpenhof am See"
    assert [section.title for section in english.sections] == ["Payment receipt", "Refund receipt"]
    assert [section.title for section in german.sections] == ["Zahlungsbeleg", "Erstattungsbeleg"]
    assert english.sums[-1] == ("Balance", "36.00 EUR")
    assert german.sums[-1] == ("Saldo", "36,00 EUR")
    assert english.sections[0].vat[1] == ("10 %", "43.64 EUR", "4.36 EUR", "48.00 EUR")
    assert "11:00" in english.sections[0].facts[1][1]  # 9:00 UTC, in Vienna


def test_a_rate_that_was_not_stated_is_said_to_be_so() -> None:
    document = printed(answered(given.confirmed()), "de")

    assert document.sections[0].vat[1:] == (("nicht ausgewiesen", "", "", "48,00 EUR"),)


def test_every_language_has_the_same_words() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}


@pytest.mark.parametrize(
    ("wanted", "accepted", "of_hotel", "language"),
    [
        ("de", "en-GB", (), "de"),
        (None, "fr-FR, de-AT;q=0.8, en;q=0.5", (), "de"),
        (None, "fr", ("de", "en"), "de"),
        (None, "", (), "en"),
        (None, "x" * 10_000, (), "en"),
        (None, ",;,-", ("pt-BR",), "en"),
    ],
)
def test_the_language_is_asked_for_accepted_or_the_hotels(
    wanted: str | None, accepted: str, of_hotel: tuple[str, ...], language: str
) -> None:
    assert language_of(wanted, accepted, of_hotel) == language


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_shows_foreign_text_and_never_runs_it(text: str) -> None:
    page = page_of(hostile(text))

    tags = _Tags()
    tags.feed(page)
    assert tags.found <= {
        *("html", "head", "meta", "title", "style", "body", "header", "p", "main", "h1", "h2", "section"),
        *("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", page)


def test_the_pages_policy_allows_its_own_style_and_nothing_else() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", page_of(printed(answered(refunded()), "en")), re.DOTALL)

    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in POLICY
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in POLICY


def test_foreign_text_is_cut_and_loses_what_would_turn_the_text_around_it() -> None:
    assert cleaned("\u202eabc\u2069\n") == "abc"
    assert cleaned("👩‍🍳") == "👩‍🍳"
    assert len(cleaned("x" * 5000)) < 330


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_pdf_is_set_of_any_text(text: str) -> None:
    pdf = await PdfPrinter().pdf_of(hostile(text))

    assert pdf.startswith(b"%PDF-")


async def test_the_event_loop_goes_on_while_pdfs_are_set() -> None:
    printer, document, turns = PdfPrinter(), printed(answered(refunded()), "en"), 0
    setting = asyncio.gather(*(printer.pdf_of(document) for _ in range(4)))

    while not setting.done():
        turns += 1
        await asyncio.sleep(0)

    assert all(pdf.startswith(b"%PDF-") for pdf in await setting)
    assert turns > 10


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
