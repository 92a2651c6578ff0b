"""What an e-mail says: the order, its receipts and its hotel as they are now, in the words of a language. Pure.

Foreign text (names, reasons, addresses) is without control characters and without those that turn the direction of the
text around them, cut, in one line, and escaped in HTML. Nothing is loaded from anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import assert_never

from chassis.receipts.printed import amount_in, cleaned, day_in, moment_in, text_in
from chassis.web.receipt_emails import is_plausible
from contracts.mail import OrderDescribed
from contracts.money import Money
from contracts.order_receipts import Receipt, ReceiptKind
from contracts.orders import OrderLine, OrderStatus, PaymentStatus, RefundView
from contracts.properties import PropertyDefinition
from notifications.letter.wording import WORDS
from notifications.mail.state import Recipient, Template, WantedMail

_UNCHARGED = (PaymentStatus.UNPAID, PaymentStatus.AUTHORISED, PaymentStatus.PROCESSING)
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Text:
    """An e-mail without its envelope."""

    language: str
    sender_name: str
    subject: str
    plain: str
    html: str
    with_receipts: bool


def reception_of(hotel: PropertyDefinition | None) -> str | None:
    """The hotel's own address, or None if it is none that can be written to."""
    address = hotel.contact_email.strip() if hotel else ""
    return address if is_plausible(address) else None


def not_wanted(wanted: WantedMail, described: OrderDescribed) -> str | None:
    """Why this mail would not be true any more, or None."""
    order = described.order
    match wanted.template:
        case Template.CONFIRMED:
            is_true = order.status in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
        case Template.DECLINED:
            is_true = order.status is OrderStatus.DECLINED
        case Template.CANCELLED:
            is_true = order.status is OrderStatus.CANCELLED
        case Template.REFUNDED:
            is_true = _receipt(wanted, described) is not None
        case Template.APPROVAL_NEEDED | Template.APPROVAL_REMINDER:
            is_true = order.status is OrderStatus.AWAITING_APPROVAL
        case Template.REVIEW:
            is_true = order.status is OrderStatus.NEEDS_REVIEW
        case Template.REFUND_FAILED:
            refund = _refund(wanted, described)
            is_true = refund is not None and refund.needs_attention
        case _:
            assert_never(wanted.template)
    return None if is_true else f"the order has moved on: it is {order.status}"


def text_of(wanted: WantedMail, described: OrderDescribed, language: str) -> Text:
    """The mail in a language of `WORDS`. It is true: `not_wanted` names nothing."""
    writer = _Writer(wanted, described, language)
    paragraphs, rows, hotel = tuple(writer.paragraphs()), tuple(writer.rows()), tuple(writer.hotel())
    subject = writer.filled(f"{wanted.template}.subject")
    return Text(
        language=language,
        sender_name=hotel[0][:_LONGEST_NAME],
        subject=subject,
        plain=_plain(paragraphs, rows, hotel),
        html=_html(language, subject, paragraphs, rows, hotel),
        with_receipts=wanted.template in (Template.CONFIRMED, Template.REFUNDED) and bool(described.receipts),
    )


_Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Writer:
    wanted: WantedMail
    described: OrderDescribed
    language: str

    def filled(self, name: str, **more: str) -> str:
        """Words with the mail's facts in them."""
        return WORDS[self.language][name].format_map({**self._facts(), **more})

    def paragraphs(self) -> Iterator[str]:
        template, order = self.wanted.template, self.described.order
        yield self.filled(f"{template}.text")
        match template:
            case Template.DECLINED:
                if order.declined_because:
                    yield self.filled("reason")
                yield self._money()
            case Template.CANCELLED:
                yield self._money()
            case Template.REFUNDED:
                receipt = _receipt(self.wanted, self.described)
                yield self.filled("at_hotel" if receipt and receipt.is_outside else "by_bank")
            case Template.REVIEW:
                if order.staff and order.staff.review:
                    yield self.filled("reason")
            case Template.REFUND_FAILED:
                refund = _refund(self.wanted, self.described)
                if refund and refund.detail:
                    yield self.filled("reason")
            case Template.CONFIRMED:
                if order.taken_out:
                    yield self.filled("without", reason=cleaned(order.taken_out.reason))
            case Template.APPROVAL_NEEDED | Template.APPROVAL_REMINDER:
                pass
            case _:
                assert_never(template)

    def rows(self) -> Iterator[_Row]:
        order = self.described.order
        yield WORDS[self.language]["order"], cleaned(order.order_id)
        yield WORDS[self.language]["reservation"], cleaned(order.reservation_id)
        gone = order.taken_out.lines if order.taken_out else ()
        for number, line in enumerate(order.lines):
            name = self._line(line)
            if number in gone:
                yield self.filled("taken_out", item=name), amount_in(self.language, line.line_total * 0)
            else:
                yield name, amount_in(self.language, line.line_total)
        yield WORDS[self.language]["total"], amount_in(self.language, order.total)

    def hotel(self) -> Iterator[str]:
        hotel = self.described.hotel
        yield (text_in(self.language, hotel.name) if hotel else "") or cleaned(self.wanted.property_id)
        if hotel is None or self.wanted.recipient is not Recipient.GUEST:
            return
        yield from filter(None, (cleaned(line) for line in hotel.address.splitlines()[:10]))
        yield from filter(None, (cleaned(hotel.contact_email), cleaned(hotel.contact_phone)))
        if reception_of(hotel):
            yield WORDS[self.language]["questions"]

    def _line(self, line: OrderLine) -> str:
        parts = (f"{line.quantity} x {text_in(self.language, line.name)}", day_in(self.language, line.day), line.slot)
        return ", ".join(cleaned(part) for part in parts if part)

    def _money(self) -> str:
        status = self.described.order.payment_status
        if status in _UNCHARGED:
            return self.filled("not_charged")
        return self.filled("refunded_already" if status is PaymentStatus.REFUNDED else "refund_follows")

    def _facts(self) -> dict[str, str]:
        order, hotel = self.described.order, self.described.hotel
        amount = self._amount()
        zone = hotel.time_zone if hotel else "UTC"
        return {
            "hotel": next(self.hotel()),
            "order": cleaned(order.order_id),
            "reason": cleaned(self._reason()),
            "amount": amount_in(self.language, amount) if amount else "",
            "until": moment_in(self.language, order.approve_by, zone) if order.approve_by else "",
        }

    def _reason(self) -> str:
        order, refund = self.described.order, _refund(self.wanted, self.described)
        review = order.staff.review if order.staff else None
        return (refund.detail if refund else "") or order.declined_because or review or ""

    def _amount(self) -> Money | None:
        receipt, refund = _receipt(self.wanted, self.described), _refund(self.wanted, self.described)
        return receipt.amount if receipt else refund.amount if refund else None


def _receipt(wanted: WantedMail, described: OrderDescribed) -> Receipt | None:
    """The receipt of the refund that the mail is about."""
    if wanted.template is not Template.REFUNDED:
        return None
    of_refunds = (each for each in described.receipts if each.receipt_kind is ReceiptKind.REFUND)
    return next((each for each in of_refunds if str(each.sequence) == wanted.about), None)


def _refund(wanted: WantedMail, described: OrderDescribed) -> RefundView | None:
    """The failed refund that the mail is about."""
    if wanted.template is not Template.REFUND_FAILED:
        return None
    refund_id = wanted.about.rpartition(":")[0]
    return next((each for each in described.order.refunds or () if each.refund_id == refund_id), None)


def _plain(paragraphs: tuple[str, ...], rows: tuple[_Row, ...], hotel: tuple[str, ...]) -> str:
    lines = [f"{label}: {value}" for label, value in rows]
    return "\n\n".join((*paragraphs, "\n".join(lines), "\n".join(("-- ", *hotel)))) + "\n"


def _html(
    language: str, subject: str, paragraphs: tuple[str, ...], rows: tuple[_Row, ...], hotel: tuple[str, ...]
) -> str:
    said = "".join(f'<p dir="auto">{escape(paragraph)}</p>' for paragraph in paragraphs)
    cells = "".join(
        f'<tr><td dir="auto">{escape(label)}</td><td dir="auto" align="right">{escape(value)}</td></tr>'
        for label, value in rows
    )
    footer = "<br>".join(escape(line) for line in hotel)
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        f"<title>{escape(subject)}</title></head><body>{said}"
        f'<table cellpadding="4">{cells}</table><p dir="auto">{footer}</p></body></html>'
    )
