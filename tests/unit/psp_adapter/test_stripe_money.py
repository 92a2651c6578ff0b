"""Our minor units and Stripe's: the same money on both sides, to the last unit, or no payment at all."""

import pytest
from babel.numbers import list_currencies
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import Money
from psp_adapter.stripe_money import UnpayableAmountError, from_stripe, to_stripe

CURRENCIES = sorted(list_currencies())


@settings(max_examples=300, deadline=None)
@given(amount=st.integers(0, 10**9), currency=st.sampled_from(CURRENCIES))
def test_there_and_back_is_the_same_money_or_refused(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)

    try:
        theirs = to_stripe(money)
    except UnpayableAmountError:
        return

    assert from_stripe(*theirs) == money


@pytest.mark.parametrize("currency", CURRENCIES)
def test_every_currency_has_amounts_that_can_be_paid(currency: str) -> None:
    """The property above would also hold if everything were refused."""
    money = Money(amount=10_000, currency=currency)

    assert from_stripe(*to_stripe(money)) == money


@pytest.mark.parametrize(
    ("ours", "currency", "theirs"),
    [
        (1234, "EUR", 1234),
        (500, "JPY", 500),
        (1230, "KWD", 1230),
        (500, "ISK", 50_000),
        (500, "UGX", 50_000),
        (100, "RSD", 10_000),
        (1200, "CLF", 12),
        (0, "EUR", 0),
    ],
)
def test_an_amount_as_stripe_counts_it(ours: int, currency: str, theirs: int) -> None:
    money = Money(amount=ours, currency=currency)

    assert to_stripe(money) == (theirs, currency.lower())
    assert from_stripe(theirs, currency.lower()) == money


@pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
@pytest.mark.parametrize("amount", [1, 1234, 1239])
def test_a_three_decimal_amount_must_end_in_zero(currency: str, amount: int) -> None:
    with pytest.raises(UnpayableAmountError, match=f"{amount} minor units of {currency}"):
        to_stripe(Money(amount=amount, currency=currency))


def test_an_amount_finer_than_stripe_counts_is_refused_rather_than_rounded() -> None:
    with pytest.raises(UnpayableAmountError):
        to_stripe(Money(amount=1, currency="CLF"))


@pytest.mark.parametrize("currency", ["isk", "ugx"])
def test_a_report_finer_than_our_currency_is_refused_rather_than_rounded(currency: str) -> None:
    with pytest.raises(UnpayableAmountError):
        from_stripe(150, currency)
