"""Money: an integer of minor units and an ISO 4217 code. Never a float."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were added or compared."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"cannot combine {left} with {right}: an order is paid in one currency")


class Money(BaseModel):
    """An amount in minor units, the smallest of its currency by ISO 4217 (EUR: two decimals, JPY: none, KWD: three).

    `hundredths` is for currencies that the PSP counts in finer units (RSD: two decimals there, none here), so that
    reported amounts stay exact.
    """

    model_config = ConfigDict(frozen=True)

    amount: int = Field(description="minor units, rounded down")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]
    hundredths: int = Field(
        default=0,
        ge=0,
        le=99,
        exclude_if=lambda value: value == 0,
        description="hundredths of a minor unit beyond `amount`; left out when there are none",
    )

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=0, currency=currency)

    @classmethod
    def of_hundredths(cls, number: int, currency: str) -> Self:
        """An amount by its hundredths of a minor unit."""
        amount, hundredths = divmod(number, 100)
        return cls(amount=amount, currency=currency, hundredths=hundredths)

    @property
    def in_hundredths(self) -> int:
        """The amount in hundredths of a minor unit: exact, and comparable within a currency."""
        return self.amount * 100 + self.hundredths

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatchError(self.currency, other.currency)
        return Money.of_hundredths(self.in_hundredths + other.in_hundredths, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + other * -1

    def __mul__(self, times: int) -> "Money":
        return Money.of_hundredths(self.in_hundredths * times, self.currency)


# The PSP's limits, in minor units. Its documentation: https://docs.stripe.com/currencies

_CHARGED = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY
KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP
TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
"""
PSP_CURRENCIES = frozenset(_CHARGED.split())
"""Not every account may charge all of them; the PSP refuses the others when a payment is opened."""

_MINIMUM = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "EUR", "INR", "JPY", "NZD", "SGD", "USD"), 50),
    "AED": 200,
    "BGN": 100,
    "CZK": 1500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "THB": 1000,
}
"""For other currencies it is the minimum of the account's own, at the day's rate."""

_MAXIMUM = 99_999_999
_FINER_AT_PSP = ("AFN", "ALL", "LAK", "LBP", "MMK", "RSD", "SOS", "STD", "YER")
"""The PSP counts hundredths of their minor units."""
_WHOLE_AT_PSP = ("ISK", "UGX")
"""The PSP counts hundredths of their minor units, and takes whole minor units only."""
_MAXIMA = {"IDR": 999_999_999_999, **dict.fromkeys((*_FINER_AT_PSP, *_WHOLE_AT_PSP), 999_999)}
_STEPS = dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10)
"""In minor units: the PSP takes multiples of these."""


def smallest_step(currency: str) -> int:
    """What the PSP counts amounts of this currency in, in hundredths of a minor unit: 100, or 1."""
    return 1 if currency in _FINER_AT_PSP else 100


def unpayable(money: Money) -> str | None:
    """The reason why the PSP cannot charge this amount, or None if it can."""
    least = _MINIMUM.get(money.currency, 1)
    if money.currency in PSP_CURRENCIES and money.amount < least:
        least = max(least, _STEPS.get(money.currency, 1))
        return f"{_words(money)} are less than the PSP charges: at least {least}"
    return _immovable(money)


def unrefundable(money: Money, left: Money | None = None) -> str | None:
    """The reason why the PSP cannot refund this amount (out of `left`, if given), or None if it can.

    A refund has no minimum except the PSP's own unit.
    """
    if money.in_hundredths <= 0:
        return f"{_words(money)} cannot be refunded: a refund is more than 0"
    if left is not None and (money.currency != left.currency or money.in_hundredths > left.in_hundredths):
        return f"{_words(money)} cannot be refunded: {_words(left)} are left"
    return _immovable(money)


def _immovable(money: Money) -> str | None:
    """The reason why the PSP can neither charge nor refund this amount."""
    currency = money.currency
    most, step = _MAXIMA.get(currency, _MAXIMUM), _STEPS.get(currency, 1)
    if currency not in PSP_CURRENCIES:
        return f"the PSP does not charge in {currency}"
    if money.amount > most:
        return f"{_words(money)} are more than the PSP charges: at most {most}"
    if money.amount % step or (money.hundredths and currency not in _FINER_AT_PSP):
        return f"{_words(money)} cannot be charged exactly: the PSP takes multiples of {step}"
    return None


def _words(money: Money) -> str:
    number = money.amount if not money.hundredths else f"{money.amount}.{money.hundredths:02}"
    return f"{number} minor units of {money.currency}"
