"""Formats and parses amounts in major units."""

import re
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

from contracts.money import Money

_DIGITS = re.compile(r"[0-9]+")
_LONGEST_AMOUNT = 16
"""Maximum length of a typed amount, in characters."""


def readable(money: Money) -> str:
    """An amount in English notation: €48.00, ¥500, KWD 1.250; with more decimals where it needs them."""
    return written(major_units(money), money.currency)


def coded(money: Money) -> str:
    """An amount with its currency's code, for tables and traces: 48.00 EUR, 500 JPY, 1.250 KWD."""
    number = major_units(money)
    decimals = get_currency_precision(money.currency) + 2 * bool(money.hundredths)
    return f"{number:.{decimals}f} {money.currency}"


def amount_of(text: str, currency: str) -> Money:
    """Parse a typed amount in major units of `currency`: `48.00`, `5000`, `1.250`.

    Raises ValueError, worded for the person who typed it, if it is not an amount of this currency.
    """
    digits = get_currency_precision(currency)
    whole, _, part = text[:_LONGEST_AMOUNT].partition(".")
    if len(text) >= _LONGEST_AMOUNT or not (_DIGITS.fullmatch(whole) and (part == "" or _DIGITS.fullmatch(part))):
        raise ValueError(f"Not an amount in {currency}: write it as 48 or 48.00, without the currency.")
    if len(part) > digits:
        raise ValueError(f"Amounts in {currency} have at most {digits} decimals.")
    return Money(amount=int(whole + part.ljust(digits, "0")), currency=currency)


def major_units(money: Money) -> Decimal:
    """The exact amount in major units (euros, yen, dinars)."""
    digits = get_currency_precision(money.currency)
    major = Decimal(money.amount).scaleb(-digits)
    return major + Decimal(money.hundredths).scaleb(-digits - 2) if money.hundredths else major


def written(number: Decimal, currency: str) -> str:
    """Format an amount in major units as `readable` does; without a currency, only the number."""
    if not currency:
        return f"{number:f}"
    exponent = number.normalize().as_tuple().exponent
    decimals = max(get_currency_precision(currency), -exponent if isinstance(exponent, int) else 0)
    sign = get_currency_symbol(currency, locale="en")
    pattern = f"¤{' ' * sign[-1].isalpha()}#,##0{'.' * bool(decimals)}{'0' * decimals}"
    return str(format_currency(number, currency, format=pattern, locale="en", currency_digits=False))
