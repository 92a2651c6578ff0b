"""Value added tax contained in gross amounts: net and tax in minor units, with sums that add up. Pure."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money, smallest_step

_WHOLE = 10_000
"""100 %, in the unit of rates."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Vat(_Value):
    """The tax contained in a gross amount: net and tax add up to it."""

    rate: int = Field(ge=0, description="hundredths of a percent: 1000 is 10 %")
    net: Money
    tax: Money


class VatShare(_Value):
    """A part of an amount that belongs to one line of an order."""

    line: int | None = Field(description="its number in the order, from 0; none: more than the order's lines")
    gross: Money
    vat: Vat | None = Field(default=None, description="none: not stated")


class VatSum(_Value):
    """The sum of all parts of an amount with one rate."""

    rate: int | None = Field(description="hundredths of a percent; none: not stated")
    gross: Money
    net: Money | None = Field(default=None, description="none: not stated")
    tax: Money | None = Field(default=None, description="none: not stated")


def vat_of(gross: Money, rate: int | None) -> Vat | None:
    """The tax contained in a gross amount, rounded half up to minor units; the net amount is the rest.

    `rate` in hundredths of a percent; None: not stated, and so is the tax. In currencies that the PSP counts in finer
    units than Bellhop, the tax is rounded to those.
    """
    if rate is None:
        return None
    step = smallest_step(gross.currency)
    divisor = (_WHOLE + rate) * step
    steps = (2 * gross.in_hundredths * rate + divisor) // (2 * divisor)
    tax = Money.of_hundredths(steps * step, gross.currency)
    return Vat(rate=rate, net=gross - tax, tax=tax)


def sums_by_rate(shares: Iterable[VatShare]) -> tuple[VatSum, ...]:
    """The shares summed by rate, the highest first; what has no stated rate comes last."""
    sums: dict[int | None, VatSum] = {}
    for share in shares:
        rate = share.vat.rate if share.vat else None
        known = sums.get(rate)
        sums[rate] = _added(known, share) if known else _first(rate, share)
    return tuple(sorted(sums.values(), key=lambda each: -1 if each.rate is None else each.rate, reverse=True))


def _first(rate: int | None, share: VatShare) -> VatSum:
    if share.vat is None:
        return VatSum(rate=rate, gross=share.gross)
    return VatSum(rate=rate, gross=share.gross, net=share.vat.net, tax=share.vat.tax)


def _added(known: VatSum, share: VatShare) -> VatSum:
    added = {"gross": known.gross + share.gross}
    if share.vat is not None and known.net is not None and known.tax is not None:
        added |= {"net": known.net + share.vat.net, "tax": known.tax + share.vat.tax}
    return known.model_copy(update=added)


def apportioned(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """A whole number split in proportion to weights, by the largest remainders; of equal ones the first gets it.

    The parts add up to `amount`. If that is at most the sum of the weights, no part is greater than its weight.
    Raises ValueError if there is an amount and no weight above 0.
    """
    whole = sum(weights)
    if not whole:
        if amount:
            raise ValueError(f"{amount} cannot be split: no weight is above 0")
        return (0,) * len(weights)
    quotas = [divmod(amount * weight, whole) for weight in weights]
    parts = [quotient for quotient, _ in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda place: -quotas[place][1])
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return tuple(parts)
