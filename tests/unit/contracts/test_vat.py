"""The VAT contained in gross amounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import Money
from contracts.vat import VatShare, apportioned, sums_by_rate, vat_of

RATES = st.none() | st.integers(0, 10_000)
AMOUNTS = st.integers(0, 99_999_999)
CURRENCIES = st.sampled_from(("EUR", "JPY", "KWD", "RSD", "ISK"))
"""Two, no and three decimals, and one that the PSP counts in finer units."""


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


@pytest.mark.parametrize(
    ("gross", "rate", "net", "tax"),
    [
        (12000, 2000, 10000, 2000),
        (4800, 1000, 4364, 436),
        (1, 10_000, 0, 1),  # half a cent is rounded up
        (3, 10_000, 1, 2),
        (999, 0, 999, 0),
        (0, 2000, 0, 0),
    ],
)
def test_the_tax_is_rounded_half_up_and_net_is_the_rest(gross: int, rate: int, net: int, tax: int) -> None:
    vat = vat_of(eur(gross), rate)

    assert vat is not None
    assert (vat.net, vat.tax) == (eur(net), eur(tax))


@pytest.mark.parametrize(("currency", "gross", "tax"), [("JPY", 1000, 91), ("KWD", 1250, 114)])
def test_currencies_with_no_or_three_decimals_are_rounded_to_their_own_minor_units(
    currency: str, gross: int, tax: int
) -> None:
    vat = vat_of(Money(amount=gross, currency=currency), 1000)

    assert vat is not None
    assert vat.tax == Money(amount=tax, currency=currency)


def test_a_rate_that_is_not_stated_gives_no_tax() -> None:
    assert vat_of(eur(1000), None) is None


@given(gross=AMOUNTS, rate=st.integers(0, 10_000), currency=CURRENCIES)
def test_net_and_tax_add_up_to_gross_and_are_never_negative(gross: int, rate: int, currency: str) -> None:
    amount = Money(amount=gross, currency=currency)

    vat = vat_of(amount, rate)

    assert vat is not None
    assert vat.net + vat.tax == amount
    assert min(vat.net.in_hundredths, vat.tax.in_hundredths) >= 0
    exact_times = amount.in_hundredths * rate
    assert abs(vat.tax.in_hundredths * (10_000 + rate) - exact_times) * 2 <= 100 * (10_000 + rate)


@given(parts=st.lists(st.tuples(AMOUNTS, RATES), max_size=20), currency=CURRENCIES)
def test_sums_by_rate_add_up_to_the_lines(parts: list[tuple[int, int | None]], currency: str) -> None:
    grosses = [Money(amount=amount, currency=currency) for amount, _ in parts]
    shares = [
        VatShare(line=number, gross=gross, vat=vat_of(gross, rate))
        for number, (gross, (_, rate)) in enumerate(zip(grosses, parts, strict=True))
    ]

    sums = sums_by_rate(shares)

    assert sum(each.gross.in_hundredths for each in sums) == sum(gross.in_hundredths for gross in grosses)
    assert [each.rate for each in sums] == sorted(
        {rate for _, rate in parts}, key=lambda rate: -1 if rate is None else rate, reverse=True
    )
    for each in sums:
        of_rate = [share.vat for share in shares if (share.vat.rate if share.vat else None) == each.rate]
        assert (each.net is None) is (each.tax is None) is (each.rate is None)
        if each.net is not None and each.tax is not None:
            assert each.net + each.tax == each.gross
            assert each.tax.in_hundredths == sum(vat.tax.in_hundredths for vat in of_rate if vat)


@given(weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=50), data=st.data())
def test_an_apportioned_amount_adds_up_and_no_part_exceeds_its_weight(weights: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(weights)))

    parts = apportioned(amount, weights)

    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


def test_the_largest_remainders_get_what_is_left() -> None:
    assert apportioned(10, (1, 1, 1)) == (4, 3, 3)
    assert apportioned(100, (2, 1)) == (67, 33)


def test_nothing_can_be_split_over_no_weights() -> None:
    assert apportioned(0, (0, 0)) == (0, 0)
    with pytest.raises(ValueError, match="cannot be split"):
        apportioned(1, ())
