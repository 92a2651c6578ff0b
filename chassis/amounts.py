"""Amounts as people write them."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from contracts.money import Money


def readable(money: Money) -> str:
    """An amount as people write it in English: €48.00, ¥500, KWD 1.250; with more decimals where it needs them."""
    return written(major_units(money), money.currency)


def major_units(money: Money) -> Decimal:
    """An amount of ours in euros, yen or dinars, exactly."""
    digits = get_currency_precision(money.currency)
    major = Decimal(money.amount).scaleb(-digits)
    return major + Decimal(money.hundredths).scaleb(-digits - 2) if money.hundredths else major


def written(number: Decimal, currency: str) -> str:
    """An amount in major units, written as `readable` does. Without a currency, the number alone."""
    if not currency:
        return f"{number:f}"
    exponent = number.normalize().as_tuple().exponent
    decimals = max(get_currency_precision(currency), -exponent if isinstance(exponent, int) else 0)
    sign = get_currency_symbol(currency, locale="en")
    pattern = f"¤{' ' * sign[-1].isalpha()}#,##0{'.' * bool(decimals)}{'0' * decimals}"
    return str(format_currency(number, currency, format=pattern, locale="en", currency_digits=False))
