"""The split of a payment or a refund over an order's lines, and the VAT in each part. Pure.

A part of a line is taxed by what it leaves: the VAT in what is kept of the line after it, less the VAT before it, each
rounded as that of a whole line. So the VAT of all parts of a line adds up to the line's own, in whatever parts it is
paid and refunded. docs/decisions/0044-vat-follows-what-is-kept.md
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from contracts.money import Money, smallest_step
from contracts.orders import OrderLine
from contracts.vat import Vat, VatShare, apportioned, vat_of


class Flow(IntEnum):
    """Whether an amount adds to what is kept of an order's lines, or takes from it."""

    IN = 1
    OUT = -1


@dataclass(frozen=True, slots=True)
class KeptLines:
    """What is kept of each line of an order: paid, and not refunded. In hundredths of a minor unit."""

    lines: tuple[OrderLine, ...]
    kept: tuple[int, ...]
    taken_out: Collection[int] = ()
    """Lines that take no part of a payment: staff took them out of the order."""

    @classmethod
    def unpaid(cls, lines: tuple[OrderLine, ...], taken_out: Collection[int] = ()) -> "KeptLines":
        return cls(lines, (0,) * len(lines), taken_out)

    def after(self, shares: Iterable[VatShare], flow: Flow) -> "KeptLines":
        """What is kept after these shares were paid or refunded."""
        kept = list(self.kept)
        for share in shares:
            if share.line is not None:
                kept[share.line] += flow * share.gross.in_hundredths
        return KeptLines(self.lines, tuple(kept), self.taken_out)

    def split(self, amount: Money, flow: Flow, line: int | None = None) -> tuple[VatShare, ...]:
        """The shares of an amount: in proportion to what is missing of each line (of a payment) or kept of it (of a
        refund), by the largest remainders. An amount for one line takes from that line first.

        What goes beyond all lines is a share without line and VAT. The shares add up to the amount.
        """
        room = [self._room(number, amount.currency, flow) for number in range(len(self.lines))]
        left, parts = amount.in_hundredths, [0] * len(room)
        if line is not None:
            parts[line] = min(left, room[line])
            left -= parts[line]
            room[line] -= parts[line]
        spread = _spread(min(left, sum(room)), room, amount.currency)
        parts = [part + more for part, more in zip(parts, spread, strict=True)]
        shares = [self._share(number, part, flow, amount.currency) for number, part in enumerate(parts) if part]
        if beyond := amount.in_hundredths - sum(parts):
            shares.append(VatShare(line=None, gross=Money.of_hundredths(beyond, amount.currency)))
        return tuple(shares)

    def _room(self, number: int, currency: str, flow: Flow) -> int:
        """How much of an amount in this currency the line can take."""
        whole, kept = self.lines[number].line_total, self.kept[number]
        if whole.currency != currency or number in self.taken_out:
            return 0
        return max(0, whole.in_hundredths - kept if flow is Flow.IN else kept)

    def _share(self, number: int, part: int, flow: Flow, currency: str) -> VatShare:
        before = self._vat(number, self.kept[number], currency)
        after = self._vat(number, self.kept[number] + flow * part, currency)
        gross = Money.of_hundredths(part, currency)
        if before is None or after is None:
            return VatShare(line=number, gross=gross)
        tax = (after.tax - before.tax) * flow
        return VatShare(line=number, gross=gross, vat=Vat(rate=after.rate, net=gross - tax, tax=tax))

    def _vat(self, number: int, kept: int, currency: str) -> Vat | None:
        stated = self.lines[number].vat
        return vat_of(Money.of_hundredths(kept, currency), stated.rate if stated else None)


def _spread(amount: int, room: Sequence[int], currency: str) -> Sequence[int]:
    """Split in whole minor units, unless something of it has hundredths of them."""
    step = smallest_step(currency)
    if any(number % step for number in (amount, *room)):
        step = 1
    return [part * step for part in apportioned(amount // step, [number // step for number in room])]
