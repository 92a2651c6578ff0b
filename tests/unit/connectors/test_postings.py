"""What receipts ask for on a folio: sums to the cent, the same postings again, and nothing that would be wrong."""

from dataclasses import dataclass, replace
from typing import Any, assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from contracts.money import Money
from contracts.webhooks import WebhookReceipt
from tests.support.apaleo import TERMS, euros, failed, line, order, payment, refund

PAID = payment((0, 4800, 700), (1, 1250, 1900))


def of(*receipts: WebhookReceipt, terms: Terms = TERMS, **named: Any) -> tuple[AnyPosting, ...]:
    return postings_of(order(receipts, **named), terms)


def test_a_payment_is_a_charge_per_line_and_a_payment_of_the_whole() -> None:
    breakfast, other, paid = of(PAID)

    assert breakfast == Charge(
        "1/charge/1", "17/1 ord_k3v7", euros(4800), "Extra 0", service_type="FoodAndBeverages", vat_type="Reduced"
    )
    assert other == Charge(
        "1/charge/2", "17/2 ord_k3v7", euros(1250), "Extra 1", service_type="Other", vat_type="Normal"
    )
    assert paid == Payment("1/payment", "17 ord_k3v7", euros(6050), "Other")


def test_a_refund_takes_back_from_the_charge_of_its_line_and_returns_the_money() -> None:
    *before, allowance, returned = of(PAID, refund(2, (1, 250, 1900)))

    assert before == list(of(PAID))
    assert allowance == Allowance("2/allowance/1/17/2", "18/1 ord_k3v7", euros(250), charge="17/2 ord_k3v7")
    assert returned == Refund("2/refund", "18 ord_k3v7", euros(250), "Other")


def test_several_refunds_of_one_line_take_back_from_one_charge() -> None:
    taken = [
        each for each in of(PAID, refund(2, (0, 4000, 700)), refund(3, (0, 800, 700))) if isinstance(each, Allowance)
    ]

    assert [(each.charge, each.amount.amount) for each in taken] == [("17/1 ord_k3v7", 4000), ("17/1 ord_k3v7", 800)]
    assert len({each.step for each in taken}) == 2


def test_a_refund_that_failed_is_charged_and_paid_again() -> None:
    *_, charge, paid = of(PAID, refund(2, (0, 4800, 700)), failed(3, (0, 4800, 700)))

    assert (charge.reference, charge.amount, paid.reference) == ("19/1 ord_k3v7", euros(4800), "19 ord_k3v7")
    assert isinstance(charge, Charge)
    assert charge.vat_type == "Reduced"


def test_a_refund_after_a_failed_one_takes_back_from_both_charges_of_the_line() -> None:
    """An allowance may not exceed what is left of its charge."""
    receipts = (PAID, refund(2, (0, 1000, 700)), failed(3, (0, 1000, 700)), refund(4, (0, 4800, 700)))

    taken = [each for each in of(*receipts) if isinstance(each, Allowance) and each.step.startswith("4/")]

    assert [(each.charge, each.amount.amount) for each in taken] == [("17/1 ord_k3v7", 3800), ("19/1 ord_k3v7", 1000)]
    assert len({each.step for each in taken}) == 2


def test_a_webhook_about_an_earlier_receipt_books_that_and_no_later_one() -> None:
    receipts = (PAID, refund(2, (0, 100, 700)))

    assert postings_of(order(receipts, about=0), TERMS) == of(PAID)


def test_parts_of_nothing_are_left_out() -> None:
    assert len(of(payment((0, 4800, 700), (1, 0, 1900)))) == 2
    assert of(payment((0, 0, 700))) == ()


def test_what_goes_beyond_the_lines_is_charged_without_one() -> None:
    beyond, *_ = of(payment((None, 300, None)), lines=())

    assert isinstance(beyond, Charge)
    assert (beyond.name, beyond.vat_type, beyond.service_type) == ("Extras", "Without", "Other")


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 500), ("KWD", 1250)])
def test_other_currencies_keep_their_minor_units(currency: str, amount: int) -> None:
    charge, paid = of(payment((0, amount, 700), currency=currency))

    assert charge.amount == paid.amount == Money(amount=amount, currency=currency)


def test_a_rate_that_is_not_mapped_names_itself_and_the_setting() -> None:
    with pytest.raises(UnbookableError, match=r"rate 1000 is not in BELLHOP_APALEO_VAT"):
        of(payment((0, 4800, 1000)))
    with pytest.raises(UnbookableError, match=r"none \(not stated\) is not in BELLHOP_APALEO_VAT"):
        of(payment((0, 4800, None)), terms=replace(TERMS, vat_types={700: "Reduced"}))


def test_a_property_that_is_not_mapped_is_not_booked() -> None:
    with pytest.raises(UnbookableError, match="property seaside is not in BELLHOP_APALEO_PROPERTIES"):
        of(PAID, property_id="seaside")


def test_parts_that_do_not_add_up_are_not_booked() -> None:
    with pytest.raises(UnbookableError, match="do not add up"):
        of(payment((0, 4800, 700), amount=4801))


def test_a_refund_of_more_than_was_charged_is_not_booked() -> None:
    with pytest.raises(UnbookableError, match="refunds more than"):
        of(PAID, refund(2, (0, 6051, 700)))


def test_a_webhook_that_lacks_an_earlier_receipt_is_not_booked() -> None:
    with pytest.raises(UnbookableError, match="before number 18 are missing"):
        postings_of(order([PAID, refund(2, (0, 100, 700))]).model_copy(update={"receipts": ()}), TERMS)


@pytest.mark.parametrize(
    ("names", "quantity", "language", "expected"),
    [
        ({"en": "Breakfast", "de": "Frühstück"}, 2, "de", "2 x Frühstück"),
        ({"en": "Breakfast"}, 1, "de", "Breakfast"),
        ({"fr": "Petit-déjeuner"}, 1, "de", "Petit-déjeuner"),
        ({"en": "a\x00b\nc\u202ed \u2028 e"}, 1, "en", "a b c d e"),
        ({"en": " \n "}, 1, "en", "Extras"),
        ({}, 1, "en", "Extras"),
        ({"en": "x" * 100_000}, 3, "en", ("3 x " + "x" * 100)[:100]),
    ],
)
def test_a_name_is_in_the_hotels_language_and_harmless(
    names: dict[str, str], quantity: int, language: str, expected: str
) -> None:
    named = line(0, euros(4800), 700, name=names, quantity=quantity)

    charge, _ = of(payment((0, 4800, 700)), lines=(named,), terms=replace(TERMS, language=language))

    assert isinstance(charge, Charge)
    assert charge.name == expected


def test_a_part_of_a_line_does_not_claim_its_whole_quantity() -> None:
    two = line(0, euros(4800), 700, quantity=2)

    *_, charge, _ = of(payment((0, 4800, 700)), refund(2, (0, 10, 700)), failed(3, (0, 10, 700)), lines=(two,))

    assert isinstance(charge, Charge)
    assert charge.name == "Extra 0"


@dataclass
class Books:
    """A folio in minor units."""

    balance: int = 0
    kept: int = 0

    def post(self, posting: AnyPosting, charges: dict[str, int]) -> None:
        amount = posting.amount.in_hundredths
        match posting:
            case Charge(reference=reference):
                charges[reference] = amount
                self.balance += amount
                self.kept += amount
            case Allowance(charge=charge):
                charges[charge] -= amount
                assert charges[charge] >= 0
                self.balance -= amount
                self.kept -= amount
            case Payment():
                self.balance -= amount
            case Refund():
                self.balance += amount
            case _:
                assert_never(posting)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[WebhookReceipt], int]:
    """A payment, refunds and refunds that failed afterwards, in any order; and what the hotel has in the end."""
    rates = draw(st.lists(st.sampled_from([700, 1900, None]), min_size=1, max_size=4))
    paid: list[int] = [draw(st.integers(0, 10_000)) for _ in rates]
    places: list[int | None] = [*range(len(rates))]
    if draw(st.booleans()):
        places[-1] = None  # beyond the lines
    kept = list(paid)
    receipts = [payment(*zip(places, paid, rates, strict=True))]
    may_fail: list[list[int]] = []
    for sequence in range(2, 2 + draw(st.integers(0, 6))):
        fails = draw(st.booleans()) and bool(may_fail)
        if fails:
            parts = may_fail.pop(draw(st.integers(0, len(may_fail) - 1)))
            kept = [left + part for left, part in zip(kept, parts, strict=True)]
        else:
            parts = [draw(st.integers(0, left)) for left in kept]
            kept = [left - part for left, part in zip(kept, parts, strict=True)]
            may_fail.append(parts)
        receipts.append((failed if fails else refund)(sequence, *zip(places, parts, rates, strict=True)))
    return receipts, sum(kept)


@given(histories())
def test_after_every_receipt_the_balance_is_as_before_and_the_charges_are_what_the_hotel_keeps(
    history: tuple[list[WebhookReceipt], int],
) -> None:
    receipts, kept = history
    books, charges = Books(), dict[str, int]()
    done: tuple[AnyPosting, ...] = ()

    for number in range(1, len(receipts) + 1):
        postings = of(*receipts[:number])
        assert postings[: len(done)] == done
        for posting in postings[len(done) :]:
            books.post(posting, charges)
        done = postings
        assert books.balance == 0

    assert books.kept == kept * 100
    assert sum(charges.values()) == kept * 100
    assert len({each.step for each in done}) == len(done)
    assert len({(type(each), each.reference, getattr(each, "charge", "")) for each in done}) == len(done)
