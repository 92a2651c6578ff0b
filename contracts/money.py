"""Money: an integer of minor units and an ISO 4217 code. Never a float."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were added or compared as if they were one."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"cannot combine {left} with {right}: an order is paid in one currency")


class Money(BaseModel):
    """An amount in the currency's minor unit (cents for EUR, yen for JPY, fils for KWD)."""

    model_config = ConfigDict(frozen=True)

    amount: int = Field(description="minor units")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]

    @classmethod
    def zero(cls, currency: str) -> Self:
        return cls(amount=0, currency=currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatchError(self.currency, other.currency)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + Money(amount=-other.amount, currency=other.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(amount=self.amount * times, currency=self.currency)


# What the PSP charges, in our minor units. Its own page: https://docs.stripe.com/currencies

_CHARGED = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP
CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY
KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP
TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
"""
PSP_CURRENCIES = frozenset(_CHARGED.split())
"""Not each account may charge each of them; the PSP refuses the others when a payment is opened."""

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
"""For the others it is the minimum of the account's own currency, which depends on the day's rate."""

_MAXIMUM = 99_999_999
_MAXIMA = {
    "IDR": 999_999_999_999,
    # Without decimals here, and with two at the PSP, which counts eight digits.
    **dict.fromkeys(("AFN", "ALL", "ISK", "LAK", "LBP", "MMK", "RSD", "SOS", "STD", "UGX", "YER"), 999_999),
}
_STEPS = dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10)
"""Three decimals, the last of which must be 0."""


def unpayable(money: Money) -> str | None:
    """Why the PSP cannot charge this amount, in words, or None when it can."""
    amount, currency = money.amount, money.currency
    least, most, step = _MINIMUM.get(currency, 1), _MAXIMA.get(currency, _MAXIMUM), _STEPS.get(currency, 1)
    if currency not in PSP_CURRENCIES:
        return f"the PSP does not charge in {currency}"
    if amount < least:
        return f"{amount} {currency} minor units are less than the PSP charges: at least {max(least, step)}"
    if amount > most:
        return f"{amount} {currency} minor units are more than the PSP charges: at most {most}"
    if amount % step:
        return f"{amount} {currency} minor units cannot be charged exactly: the PSP takes multiples of {step}"
    return None
