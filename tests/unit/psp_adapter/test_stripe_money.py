"""Our minor units and Stripe's: the same money on both sides, to the last unit, or no payment at all."""

import pytest
from babel.numbers import list_currencies
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import PSP_CURRENCIES, Money, unpayable, unrefundable
from psp_adapter.stripe_money import UnpayableAmountError, from_stripe, to_stripe

CURRENCIES = sorted(list_currencies())


@settings(max_examples=300)
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


@pytest.mark.parametrize("currency", CURRENCIES)
@settings(max_examples=20)
@given(amount=st.integers(0, 10**12))
def test_what_stripe_reports_is_kept_to_its_last_unit(currency: str, amount: int) -> None:
    theirs = amount - amount % 10 if currency in ("BHD", "JOD", "KWD", "OMR", "TND") else amount

    assert to_stripe(from_stripe(theirs, currency.lower())) == (theirs, currency.lower())


@pytest.mark.parametrize("currency", ["rsd", "lbp", "isk", "ugx"])
def test_a_report_finer_than_our_currency_is_carried(currency: str) -> None:
    assert from_stripe(50_050, currency) == Money(amount=500, hundredths=50, currency=currency.upper())


# What the contract says about amounts is what the adapter does with them


@settings(max_examples=300)
@given(amount=st.integers(-10, 10**13) | st.integers(0, 10**5), currency=st.sampled_from(sorted(PSP_CURRENCIES)))
def test_a_payable_amount_can_be_charged_exactly_within_the_digits_stripe_counts(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)

    if unpayable(money) is None:
        theirs, _ = to_stripe(money)
        assert 0 < theirs <= (999_999_999_999 if currency == "IDR" else 99_999_999)


@settings(max_examples=300)
@given(
    amount=st.integers(-10, 10**13) | st.integers(0, 10**5),
    hundredths=st.integers(0, 99),
    currency=st.sampled_from(sorted(PSP_CURRENCIES)),
)
def test_a_refundable_amount_can_be_moved_exactly(amount: int, hundredths: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency, hundredths=hundredths)

    if unrefundable(money) is None:
        theirs, _ = to_stripe(money)
        assert 0 < theirs <= (999_999_999_999 if currency == "IDR" else 99_999_999)


@pytest.mark.parametrize("currency", sorted(PSP_CURRENCIES))
def test_the_largest_payable_amount_is_the_largest_stripe_counts(currency: str) -> None:
    most = 999_999_999_999 if currency == "IDR" else 99_999_999
    step, _ = to_stripe(Money(amount=10, currency=currency))
    largest = Money(amount=most * 10 // step // 10 * 10, currency=currency)

    assert unpayable(largest) is None
    assert unpayable(largest + Money(amount=10, currency=currency)) is not None


@pytest.mark.parametrize(
    ("amount", "currency", "is_payable"),
    [
        (50, "EUR", True),
        (49, "EUR", False),
        (30, "GBP", True),
        (29, "GBP", False),
        (50, "JPY", True),
        (49, "JPY", False),
        (17500, "HUF", True),
        (0, "KES", False),
        (1, "KES", True),
        (-500, "EUR", False),
        (5, "KWD", False),
        (10, "KWD", True),
        (99_999_999, "EUR", True),
        (100_000_000, "EUR", False),
        (100, "XXX", False),
    ],
)
def test_the_smallest_and_largest_amounts_are_stripes(amount: int, currency: str, is_payable: bool) -> None:
    assert (unpayable(Money(amount=amount, currency=currency)) is None) == is_payable
