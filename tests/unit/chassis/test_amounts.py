"""Formatting and parsing of amounts."""

from decimal import Decimal

import pytest

from chassis.amounts import amount_of, coded, major_units, readable, written
from contracts.money import Money


def test_what_the_psp_counts_finer_than_we_do_is_written_in_full() -> None:
    assert readable(Money(amount=500, currency="RSD", hundredths=7)) == "RSD 500.07"


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(amount=4800, currency="EUR"), "48.00 EUR"),
        (Money(amount=-5, currency="EUR"), "-0.05 EUR"),
        (Money(amount=500, currency="JPY"), "500 JPY"),
        (Money(amount=500, currency="RSD", hundredths=7), "500.07 RSD"),
    ],
)
def test_an_amount_with_its_currencys_code_is_exact(money: Money, text: str) -> None:
    assert coded(money) == text


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (4800, "EUR", "€48.00"),
        (-100, "EUR", "-€1.00"),
        (500, "JPY", "¥500"),
        (1250, "KWD", "KWD 1.250"),
        (123_456_789, "CHF", "CHF 1,234,567.89"),
        (10**20 + 1, "EUR", "€1,000,000,000,000,000,000.01"),
    ],
)
def test_an_amount_is_written_with_its_sign_and_its_currencys_decimals(
    amount: int, currency: str, written: str
) -> None:
    assert readable(Money(amount=amount, currency=currency)) == written


@pytest.mark.parametrize(
    ("number", "currency", "said"),
    [("48", "EUR", "€48.00"), ("48.0000", "EUR", "€48.00"), ("-8.005", "EUR", "-€8.005"), ("1E+3", "JPY", "¥1,000")],
)
def test_a_number_is_written_with_every_decimal_it_has(number: str, currency: str, said: str) -> None:
    assert written(Decimal(number), currency) == said
    assert written(Decimal("0.5"), "") == "0.5"


def test_an_amount_in_major_units_is_exact() -> None:
    assert str(major_units(Money(amount=4800, currency="EUR"))) == "48.00"
    assert major_units(Money(amount=500, currency="RSD", hundredths=7)) == Decimal("500.07")


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("48.00", "EUR", 4800),
        ("48", "EUR", 4800),
        ("48.5", "EUR", 4850),
        ("0.07", "EUR", 7),
        ("0", "EUR", 0),
        ("5000", "JPY", 5000),
        ("1.250", "KWD", 1250),
    ],
)
def test_an_amount_that_a_person_types_is_read_in_the_currencys_major_units(
    text: str, currency: str, amount: int
) -> None:
    assert amount_of(text, currency) == Money(amount=amount, currency=currency)


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "-1", "+1", "48,00", "€48", "48 EUR", "1e3", "4_8", "²", "1" * 16, " 48"]
)
def test_what_is_no_amount_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="Not an amount in EUR"):
        amount_of(text, "EUR")


@pytest.mark.parametrize(("text", "currency"), [("48.001", "EUR"), ("5000.5", "JPY"), ("1.2505", "KWD")])
def test_an_amount_that_is_finer_than_its_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        amount_of(text, currency)
