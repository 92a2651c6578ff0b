"""What the folios of a reservation should have by the receipts of an order, and do not. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from chassis.amounts import coded, major_units
from connectors.apaleo.folios import Entry, Folios, Posted
from connectors.apaleo.postings import (
    Allowance,
    AnyPosting,
    Charge,
    Payment,
    Refund,
    Terms,
    UnbookableError,
    postings_of,
)
from contracts.ids import OrderId
from contracts.webhooks import OrderData

RECENT = timedelta(hours=1)
"""What a younger receipt asks for may still be on its way."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that is not as it should be."""

    order_id: OrderId
    receipt: int | None
    """The receipt's number; none: no receipt asks for the entry."""
    said: str
    is_recent: bool = False
    """It is missing, and may still be on its way."""


def differences(order: OrderData, terms: Terms, folios: Folios, now: datetime) -> list[Difference]:
    """Compare an order about its last receipt with all folios of its reservation, which have their refunds."""
    try:
        postings = postings_of(order, terms)
    except UnbookableError as error:
        return [Difference(order.order_id, order.receipt.number if order.receipt else None, str(error))]
    own = [each for each in folios.posted() if (each.reference or "").endswith(f" {order.order_id}")]
    return [*_of_postings(order, postings, own, now), *_unasked(order, postings, own)]


def _of_postings(
    order: OrderData, postings: tuple[AnyPosting, ...], own: list[Posted], now: datetime
) -> Iterator[Difference]:
    receipts = {each.sequence: each for each in order.receipts}
    for posting in postings:
        receipt = receipts[posting.sequence]
        entries = [each.entry for each in own if each.is_of(posting)]
        here = [each for each in entries if each.moved_to is None]
        if not entries:
            is_recent = receipt.issued_at > now - RECENT
            said = f"{_words(posting)} of {coded(posting.amount)} is on no folio"
            yield Difference(order.order_id, receipt.number, said, is_recent)
        if len(here) > 1:
            yield Difference(order.order_id, receipt.number, f"{_words(posting)} is on the folios {len(here)} times")
        for entry in here:
            for said in _wrong(posting, entry):
                yield Difference(order.order_id, receipt.number, f"{_words(posting)} {said}")


def _unasked(order: OrderData, postings: tuple[AnyPosting, ...], own: list[Posted]) -> Iterator[Difference]:
    for each in own:
        if each.entry.moved_to is None and not any(map(each.is_of, postings)):
            number = (each.reference or "").partition(" ")[0]
            yield Difference(order.order_id, None, f"no receipt asks for the {each.kind.__name__.lower()} {number}")


def _words(posting: AnyPosting) -> str:
    number = posting.reference.partition(" ")[0]
    match posting:
        case Charge() | Payment() | Refund():
            return f"the {type(posting).__name__.lower()} {number}"
        case Allowance(charge=charge):
            return f"the allowance {number} on {charge.partition(' ')[0]}"
        case _:
            assert_never(posting)


def _wrong(posting: AnyPosting, entry: Entry) -> Iterator[str]:
    """What is wrong with an entry that is there. Charges and allowances say gross and net, payments and refunds one."""
    said = entry.amount if isinstance(entry.amount, dict) else {}
    number, currency = said.get("grossAmount", said.get("amount")), said.get("currency")
    if not isinstance(number, int | float) or not isinstance(currency, str):
        yield "has no amount that can be read"
    elif (Decimal(str(number)), currency) != (major_units(posting.amount), posting.amount.currency):
        yield f"is {number} {currency}, and should be {coded(posting.amount)}"
    vat_type = said.get("vatType")
    if isinstance(posting, Charge) and vat_type is not None and vat_type != posting.vat_type:
        yield f"has the VAT type {vat_type}, and should have {posting.vat_type}"
