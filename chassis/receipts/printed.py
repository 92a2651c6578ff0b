"""The receipts of an order as the text of a printed document: the page and the PDF say the same. Pure.

Names and addresses are foreign text: without control characters and without those that turn the direction of the text
around them, and cut. Each belongs into a cell of its own.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, get_currency_precision

from chassis.amounts import major_units
from chassis.receipts.wording import WORDS
from chassis.text import cut
from contracts.answers import OrderReceiptsAnswer, ReceiptAnswer
from contracts.money import Money
from contracts.order_receipts import Hotel
from contracts.orders import OrderLine
from contracts.vat import VatShare, VatSum

Row = tuple[str, ...]

_LONGEST = 300
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Control and format characters, and code points without a character."""
_JOINERS = "\u200c\u200d"
"""They join letters of some scripts, and emoji."""


@dataclass(frozen=True, slots=True)
class Section:
    """One receipt."""

    title: str
    facts: tuple[Row, ...]
    items: tuple[Row, ...]
    """The first is the head: item, day, amount."""
    vat: tuple[Row, ...]
    """The first is the head: rate, net, tax, gross."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A document of sections."""

    language: str
    title: str
    hotel: tuple[str, ...]
    facts: tuple[Row, ...]
    sections: tuple[Section, ...]
    sums_title: str
    sums: tuple[Row, ...]
    vat: tuple[Row, ...]
    note: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def printed(answer: OrderReceiptsAnswer, language: str) -> Printed:
    """The document in a language of `WORDS`."""
    writer = _Writer(language, WORDS[language], answer.lines)
    words, newest = writer.words, answer.receipts[-1].hotel
    return Printed(
        language=language,
        title=words["title"],
        hotel=tuple(writer.hotel(newest, answer.property_id)),
        facts=(
            (words["order"], cleaned(answer.order_id)),
            (words["reservation"], cleaned(answer.reservation_id)),
        ),
        sections=tuple(writer.section(receipt) for receipt in answer.receipts),
        sums_title=words["sums"],
        sums=(
            (words["paid"], writer.amount(answer.paid)),
            (words["refunded"], writer.amount(answer.refunded)),
            (words["kept"], writer.amount(answer.kept)),
        ),
        vat=writer.vat(answer.vat),
        note=words["note"],
    )


def cleaned(text: str) -> str:
    """Foreign text for a printed document, in one line."""
    visible = (
        character if character in _JOINERS or unicodedata.category(character) not in _HIDDEN else " "
        for character in cut(text, _LONGEST)
    )
    return "".join(visible).strip()


def amount_in(language: str, money: Money) -> str:
    digits = get_currency_precision(money.currency) + 2 * bool(money.hundredths)
    pattern = f"#,##0{'.' * bool(digits)}{'0' * digits} ¤¤"
    return str(
        format_currency(major_units(money), money.currency, format=pattern, locale=language, currency_digits=False)
    )


def day_in(language: str, day: date | None) -> str:
    return str(format_date(day, "medium", locale=language)) if day else ""


def moment_in(language: str, at: datetime, time_zone: str) -> str:
    return str(format_datetime(at, "medium", tzinfo=ZoneInfo(time_zone), locale=language))


def text_in(language: str, texts: Mapping[str, str]) -> str:
    """Foreign text in the language, or in one that there is; in one line."""
    return cleaned(texts.get(language) or texts.get("en") or next(iter(texts.values()), ""))


@dataclass(frozen=True, slots=True)
class _Writer:
    language: str
    words: Mapping[str, str]
    lines: tuple[OrderLine, ...]

    def section(self, receipt: ReceiptAnswer) -> Section:
        words = self.words
        way = words["outside" if receipt.is_outside else "online"]
        facts: list[Row] = [
            (words["number"], str(receipt.number)),
            (words["issued"], moment_in(self.language, receipt.issued_at, receipt.hotel.time_zone)),
            (words["way"], way),
        ]
        if receipt.refund_id is not None:
            facts.append((words["refund_id"], cleaned(receipt.refund_id)))
        items = (self._item(share) for share in receipt.shares)
        total = (words["total"], "", self.amount(receipt.amount))
        return Section(
            title=words[receipt.receipt_kind],
            facts=tuple(facts),
            items=((words["item"], words["day"], words["amount"]), *items, total),
            vat=self.vat(receipt.vat),
        )

    def _item(self, share: VatShare) -> Row:
        if share.line is None or share.line >= len(self.lines):
            return (self.words["beyond"], "", self.amount(share.gross))
        line = self.lines[share.line]
        return (
            f"{line.quantity} x {text_in(self.language, line.name)}",
            day_in(self.language, line.day),
            self.amount(share.gross),
        )

    def vat(self, sums: Iterable[VatSum]) -> tuple[Row, ...]:
        words = self.words
        head = (words["rate"], words["net"], words["tax"], words["gross"])
        return (head, *(self._rate(each) for each in sums))

    def _rate(self, each: VatSum) -> Row:
        if each.rate is None or each.net is None or each.tax is None:
            return (self.words["not_stated"], "", "", self.amount(each.gross))
        rate = format_decimal(each.rate / 100, locale=self.language)
        return (f"{rate} %", self.amount(each.net), self.amount(each.tax), self.amount(each.gross))

    def amount(self, money: Money) -> str:
        return amount_in(self.language, money)

    def hotel(self, hotel: Hotel, property_id: str) -> Iterable[str]:
        yield text_in(self.language, hotel.name) or cleaned(property_id)
        yield from filter(None, (cleaned(line) for line in hotel.address.splitlines()[:10]))
        if hotel.vat_id:
            yield f"{self.words['vat_id']}: {cleaned(hotel.vat_id)}"
        yield from filter(None, (cleaned(hotel.contact_email), cleaned(hotel.contact_phone)))
