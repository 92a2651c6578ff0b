"""Money: laws that hold for every amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.money import PSP_CURRENCIES, CurrencyMismatchError, Money, unrefundable

AMOUNTS = st.integers(-(10**15), 10**15)
EUROS = st.builds(Money, amount=AMOUNTS, currency=st.just("EUR"), hundredths=st.integers(0, 99))
YEN = st.builds(Money, amount=AMOUNTS, currency=st.just("JPY"))


@given(EUROS, EUROS, EUROS)
def test_adding_is_associative(a: Money, b: Money, c: Money) -> None:
    assert (a + b) + c == a + (b + c)


@given(EUROS, EUROS)
def test_adding_is_commutative(a: Money, b: Money) -> None:
    assert a + b == b + a


@given(EUROS)
def test_zero_changes_nothing(a: Money) -> None:
    assert a + Money.zero("EUR") == a
    assert a - a == Money.zero("EUR")


@given(EUROS, EUROS)
def test_subtracting_undoes_adding(a: Money, b: Money) -> None:
    assert (a + b) - b == a


@given(EUROS, st.integers(0, 50))
def test_multiplying_is_adding_again_and_again(a: Money, times: int) -> None:
    added = Money.zero("EUR")
    for _ in range(times):
        added += a

    assert a * times == added


@given(EUROS, EUROS, st.integers(-1000, 1000))
def test_multiplying_distributes_over_adding(a: Money, b: Money, times: int) -> None:
    assert (a + b) * times == a * times + b * times


@given(EUROS, YEN)
def test_two_currencies_never_mix(a: Money, b: Money) -> None:
    with pytest.raises(CurrencyMismatchError, match="EUR with JPY"):
        a + b
    with pytest.raises(CurrencyMismatchError, match="JPY with EUR"):
        b - a


@given(st.one_of(EUROS, YEN), st.one_of(EUROS, YEN))
def test_money_is_equal_only_in_the_same_currency(a: Money, b: Money) -> None:
    assert (a == b) == ((a.in_hundredths, a.currency) == (b.in_hundredths, b.currency))


@pytest.mark.parametrize("amount", [1.5, "12.30", None, float("nan")])
def test_an_amount_is_a_whole_number(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "EUR"})


@pytest.mark.parametrize("currency", ["eur", "EU", "EURO", "", "€", "EUR\n"])
def test_a_currency_is_an_iso_code(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount=1, currency=currency)


def test_money_cannot_be_changed() -> None:
    money = Money(amount=1, currency="EUR")

    with pytest.raises(ValidationError):
        money.amount = 2  # type: ignore[misc]


@given(EUROS)
def test_an_amount_is_the_same_after_a_journey(a: Money) -> None:
    assert Money.model_validate_json(a.model_dump_json()) == a


def test_hundredths_are_written_only_where_there_are_some() -> None:
    assert Money(amount=500, currency="RSD").model_dump() == {"amount": 500, "currency": "RSD"}
    assert Money.of_hundredths(50_050, "RSD").model_dump() == {"amount": 500, "currency": "RSD", "hundredths": 50}


# What can be refunded


@pytest.mark.parametrize("currency", sorted(PSP_CURRENCIES))
@pytest.mark.parametrize("amount", [0, -1, -100, 10**12])
def test_nothing_less_than_nothing_and_too_much_cannot_be_refunded(amount: int, currency: str) -> None:
    assert unrefundable(Money(amount=amount, currency=currency)) is not None


@pytest.mark.parametrize(
    ("amount", "hundredths", "currency", "can_be_refunded"),
    [
        (1, 0, "EUR", True),
        (1, 50, "EUR", False),
        (1, 0, "KES", True),
        (10, 0, "KWD", True),
        (5, 0, "KWD", False),
        (500, 50, "RSD", True),
        (0, 50, "RSD", True),
        (1, 50, "ISK", False),
        (1, 50, "UGX", False),
        (1, 0, "UGX", True),
        (100, 0, "XXX", False),
    ],
)
def test_what_can_be_refunded_is_a_multiple_of_the_psps_unit(
    amount: int, hundredths: int, currency: str, can_be_refunded: bool
) -> None:
    money = Money(amount=amount, hundredths=hundredths, currency=currency)

    assert (unrefundable(money) is None) == can_be_refunded


def test_no_more_than_what_is_left_can_be_refunded_and_in_its_currency() -> None:
    left = Money.of_hundredths(99_950, "RSD")

    assert unrefundable(left, left) is None
    assert unrefundable(Money(amount=1000, currency="RSD"), left) == (
        "1000 minor units of RSD cannot be refunded: 999.50 minor units of RSD are left"
    )
    assert unrefundable(Money(amount=1, currency="EUR"), left) is not None
