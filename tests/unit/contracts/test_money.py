"""Money: laws that hold for every amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.money import CurrencyMismatchError, Money

AMOUNTS = st.integers(-(10**15), 10**15)
EUROS = st.builds(Money, amount=AMOUNTS, currency=st.just("EUR"))
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
    assert (a == b) == ((a.amount, a.currency) == (b.amount, b.currency))


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
