"""Amounts as people write them."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from contracts.money import Money


def readable(money: Money) -> str:
    """An amount as people write it in English: €48.00, ¥500, KWD 1.250; with two decimals more where it needs them."""
    decimals = get_currency_precision(money.currency) + (2 if money.hundredths else 0)
    number = Decimal(money.in_hundredths).scaleb(-2 - get_currency_precision(money.currency))
    sign = get_currency_symbol(money.currency, locale="en")
    pattern = f"¤{' ' * sign[-1].isalpha()}#,##0{'.' * bool(decimals)}{'0' * decimals}"
    return str(format_currency(number, money.currency, format=pattern, locale="en", currency_digits=False))
