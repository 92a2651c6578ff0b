"""What the receipts of an order ask for on a folio: charges and a payment, allowances and a refund. Pure.

Receipts never change, and those of a later one follow from it and from those before it. So the same postings, with the
same names, follow from every webhook about an order, whichever comes first or again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.money import Money
from contracts.order_receipts import ReceiptKind
from contracts.vat import VatShare
from contracts.webhooks import OrderData, WebhookLine, WebhookReceipt

_LONGEST_NAME = 100
"""Characters of a charge's name. The longest that Apaleo takes is not in its public documents."""
_NAMELESS = "Extras"
DEFAULT_LANGUAGE = "en"


class UnbookableError(Exception):
    """This order can never be booked as it is and with these settings. Words itself for the operator."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings that postings depend on."""

    properties: Mapping[str, str]
    """Apaleo's property by Bellhop's."""
    vat_types: Mapping[int | None, str]
    """Apaleo's VAT type by the rate, in hundredths of a percent. None: lines without a stated rate."""
    service_types: Mapping[str, str] = field(default_factory=dict)
    """By extra."""
    default_service_type: str = "Other"
    payment_method: str = "Other"
    language: str = DEFAULT_LANGUAGE

    def property_of(self, property_id: str) -> str:
        """Raises UnbookableError."""
        try:
            return self.properties[property_id]
        except KeyError:
            raise UnbookableError(f"property {property_id} is not in BELLHOP_APALEO_PROPERTIES") from None

    def vat_type_of(self, share: VatShare) -> str:
        """Raises UnbookableError."""
        rate = share.vat.rate if share.vat else None
        try:
            return self.vat_types[rate]
        except KeyError:
            said = "none (not stated)" if rate is None else str(rate)
            raise UnbookableError(f"the VAT rate {said} is not in BELLHOP_APALEO_VAT") from None


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry of a folio."""

    step: str
    """Its name within the order, the same whenever it is derived."""
    reference: str
    """What Apaleo keeps with it, by which it is found again: the receipt's number, its part of it, the order."""
    amount: Money

    @property
    def sequence(self) -> int:
        """The place of its receipt in the order."""
        return int(self.step.partition("/")[0])


@dataclass(frozen=True, slots=True)
class Charge(Posting):
    """Gross: Apaleo takes the VAT out of it by the VAT type."""

    name: str
    service_type: str
    vat_type: str


@dataclass(frozen=True, slots=True)
class Payment(Posting):
    """Money that has come in outside of Apaleo."""

    method: str


@dataclass(frozen=True, slots=True)
class Allowance(Posting):
    """Takes back a part of a charge."""

    charge: str
    """The charge's reference."""


@dataclass(frozen=True, slots=True)
class Refund(Posting):
    """Money that has gone back outside of Apaleo."""

    method: str


AnyPosting = Charge | Payment | Allowance | Refund


@dataclass(slots=True)
class _Open:
    """A charge, and how much of it no allowance has taken back, in hundredths of a minor unit."""

    reference: str
    line: int | None
    left: int


def postings_of(order: OrderData, terms: Terms) -> tuple[AnyPosting, ...]:
    """The postings of the webhook's receipt, after those of all receipts before it. Raises UnbookableError."""
    terms.property_of(order.property_id)
    charges: list[_Open] = []
    return tuple(each for receipt in _due(order) for each in _of_receipt(order, receipt, terms, charges))


def _due(order: OrderData) -> Sequence[WebhookReceipt]:
    """The webhook's receipt, and those before it: they are booked first if that was not done yet."""
    receipt = order.receipt
    if receipt is None:
        raise UnbookableError("the webhook has no receipt")
    due = [each for each in order.receipts if each.sequence <= receipt.sequence]
    if [each.sequence for each in due] != list(range(1, receipt.sequence + 1)):
        raise UnbookableError(f"receipts before number {receipt.number} are missing in the webhook")
    return due


def _of_receipt(order: OrderData, receipt: WebhookReceipt, terms: Terms, charges: list[_Open]) -> Iterator[AnyPosting]:
    shares = [each for each in receipt.shares if each.gross.in_hundredths]
    _require_sum(receipt, shares)
    if not shares:
        return
    whole = f"{receipt.number} {order.order_id}"
    if receipt.receipt_kind is ReceiptKind.REFUND:
        for place, share in enumerate(shares, start=1):
            yield from _allowances(order, receipt, place, share, charges)
        yield Refund(f"{receipt.sequence}/refund", whole, receipt.amount, terms.payment_method)
        return
    lines = {each.line: each for each in order.lines}
    for place, share in enumerate(shares, start=1):
        line = lines.get(share.line) if share.line is not None else None
        reference = f"{receipt.number}/{place} {order.order_id}"
        charges.append(_Open(reference, share.line, share.gross.in_hundredths))
        yield Charge(
            f"{receipt.sequence}/charge/{place}",
            reference,
            share.gross,
            name=_name(line, share, terms.language),
            service_type=terms.service_types.get(line.extra_id if line else "", terms.default_service_type),
            vat_type=terms.vat_type_of(share),
        )
    yield Payment(f"{receipt.sequence}/payment", whole, receipt.amount, terms.payment_method)


def _require_sum(receipt: WebhookReceipt, shares: Sequence[VatShare]) -> None:
    """The balance of the folio stays as it is only if the parts add up to the whole."""
    whole = receipt.amount
    is_one_currency = all(each.gross.currency == whole.currency for each in shares)
    has_sum = sum(each.gross.in_hundredths for each in shares) == whole.in_hundredths
    if not (is_one_currency and has_sum and all(each.gross.in_hundredths > 0 for each in shares)):
        raise UnbookableError(f"the parts of receipt {receipt.number} do not add up to its amount")


def _allowances(
    order: OrderData, receipt: WebhookReceipt, place: int, share: VatShare, charges: list[_Open]
) -> Iterator[Allowance]:
    """Against the charges of the line, the oldest first. An allowance may not exceed what is left of its charge, so a
    line that was charged again after a failed refund may need two; what goes beyond the line goes against the others.
    """
    left = share.gross.in_hundredths
    for charge in (*(each for each in charges if each.line == share.line), *charges):
        part = min(left, charge.left)
        if not part:
            continue
        charge.left -= part
        left -= part
        of = charge.reference.partition(" ")[0]
        yield Allowance(
            f"{receipt.sequence}/allowance/{place}/{of}",
            f"{receipt.number}/{place} {order.order_id}",
            Money.of_hundredths(part, share.gross.currency),
            charge=charge.reference,
        )
    if left:
        raise UnbookableError(f"receipt {receipt.number} refunds more than the receipts before it have charged")


def _name(line: WebhookLine | None, share: VatShare, language: str) -> str:
    """What the guest reads on the invoice. How Apaleo counts a quantity is not public, so the name has it."""
    if line is None:
        return _NAMELESS
    name = line.name.get(language) or line.name.get(DEFAULT_LANGUAGE) or next(iter(line.name.values()), "")
    printable = "".join(each if each.isprintable() else " " for each in name[: 2 * _LONGEST_NAME])
    plain = " ".join(printable.split()) or _NAMELESS
    is_whole = share.gross == line.total and line.quantity > 1
    return (f"{line.quantity} x {plain}" if is_whole else plain)[:_LONGEST_NAME]
