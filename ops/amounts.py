"""Amounts as people write them."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision

from contracts.money import Money


def readable(money: Money) -> str:
    """An amount as people write it: €48.00."""
    major = Decimal(money.in_hundredths).scaleb(-2 - get_currency_precision(money.currency))
    is_whole = not money.hundredths
    return str(format_currency(major, money.currency, locale="en", currency_digits=is_whole))
