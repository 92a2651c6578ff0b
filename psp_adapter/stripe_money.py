"""Converts our minor units to Stripe's and back.

Ours have as many decimals as Babel's CLDR table says. Stripe counts some currencies differently
(https://docs.stripe.com/currencies#special-cases): those are listed only here.
"""

from decimal import Decimal

from babel.numbers import get_currency_precision

from chassis.errors import PermanentError
from contracts.money import Money

_ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
# Stripe's docs, "special cases": ISK and UGX have no decimals, yet are charged as if they had two.


class UnpayableAmountError(PermanentError):
    """Stripe cannot charge an amount exactly."""

    def __init__(self, money: Money) -> None:
        super().__init__(f"{money.amount} minor units of {money.currency} cannot be charged exactly by the PSP")


def to_stripe(money: Money) -> tuple[int, str]:
    """Amount and lower-case currency as Stripe counts them. Raises UnpayableAmountError rather than rounding."""
    hundredths = money.in_hundredths * 10 ** max(0, _shift(money.currency))
    amount, rest = divmod(hundredths, 100 * 10 ** max(0, -_shift(money.currency)))
    if rest or (money.currency in _THREE_DECIMAL and amount % 10):
        raise UnpayableAmountError(money)
    return amount, money.currency.lower()


def from_stripe(amount: int, currency: str) -> Money:
    """Stripe's amount, exactly: in our minor units, with hundredths where Stripe's units are finer."""
    shift = _shift(currency.upper())
    return Money.of_hundredths(amount * 100 * 10 ** max(0, -shift) // 10 ** max(0, shift), currency.upper())


def _shift(currency: str) -> int:
    """The number of decimals that Stripe has beyond ours: at most two, so hundredths suffice."""
    return _stripe_decimals(currency) - int(get_currency_precision(currency))


def in_major_units(amount: int, currency: str) -> Decimal:
    """Stripe's amount in major units (euros, yen, dinars): exact, even where Stripe's units are finer than ours."""
    return Decimal(amount).scaleb(-_stripe_decimals(currency.upper()))


def _stripe_decimals(currency: str) -> int:
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2
