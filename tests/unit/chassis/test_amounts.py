"""Amounts as people write them."""

import pytest

from chassis.amounts import readable
from contracts.money import Money


def test_what_the_psp_counts_finer_than_we_do_is_written_in_full() -> None:
    assert readable(Money(amount=500, currency="RSD", hundredths=7)) == "RSD 500.07"


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
