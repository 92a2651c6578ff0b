"""Amounts as people write them."""

from babel.numbers import format_currency, get_currency_precision

from contracts.money import Money


def readable(money: Money) -> str:
    """An amount as people write it: €48.00."""
    major = money.amount / 10 ** get_currency_precision(money.currency)
    return str(format_currency(major, money.currency, locale="en"))
