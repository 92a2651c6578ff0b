"""The pricing of a guest's request. Pure."""

from dataclasses import dataclass
from datetime import datetime

from chassis.decision import Refused
from chassis.text import cut
from contracts.money import Money, unpayable
from contracts.offers import PriceUnit
from contracts.orders import Guest, OrderLine, Reason, RequestedLine
from contracts.vat import vat_of
from extras_service.catalogue.extra import Catalogue, Extra

MAX_LINES = 50


@dataclass(frozen=True, slots=True)
class Quote:
    """The priced lines and total of a request."""

    lines: tuple[OrderLine, ...]
    total: Money


def quote(guest: Guest, requested: tuple[RequestedLine, ...], catalogue: Catalogue) -> Quote | Refused:
    """Price a request, or return the refusal, independent of the current time."""
    if not requested:
        return Refused(Reason.NO_LINES, "An order needs at least one extra.")
    if len(requested) > MAX_LINES:
        return Refused(Reason.QUANTITY_OVER_LIMIT, f"An order holds at most {MAX_LINES} lines.")
    lines: list[OrderLine] = []
    for line in requested:
        extra = catalogue.get(line.extra_id)
        if extra is None:
            return Refused(Reason.EXTRA_UNKNOWN, f"There is no extra {cut(line.extra_id, 60)!r}.")
        refusal = _check(guest, line, extra)
        if refusal is not None:
            return refusal
        lines.append(_priced(guest, line, extra))
    refusal = _check_totals(lines, catalogue)
    if refusal is not None:
        return refusal
    total = lines[0].line_total
    for priced in lines[1:]:
        total += priced.line_total
    if (why := unpayable(total)) is not None:
        return Refused(Reason.TOTAL_NOT_PAYABLE, f"This order cannot be paid at once: {why}.")
    return Quote(tuple(lines), total)


def gone_by(guest: Guest, lines: tuple[OrderLine, ...], catalogue: Catalogue, now: datetime) -> Refused | None:
    """The refusal if, by the date at the property, it is too late for a line or for the whole stay."""
    for line in lines:
        extra = catalogue[line.extra_id]
        if (refusal := extra.too_late(line.day, line.slot, now)) is not None:
            return refusal
        if guest.stay_to < extra.today(now):
            return Refused(
                Reason.DAY_GONE_BY, f"Your stay ended on {guest.stay_to}; {extra.readable} can no longer be ordered."
            )
    return None


def _check(guest: Guest, line: RequestedLine, extra: Extra) -> Refused | None:
    name = extra.readable
    if extra.property_id != guest.property_id:
        return Refused(Reason.EXTRA_OF_ANOTHER_PROPERTY, f"{name} is not offered at your hotel.")
    if not extra.is_on_offer:
        return Refused(Reason.EXTRA_INACTIVE, f"{name} is not offered at the moment.")
    if line.quantity < 1:
        return Refused(Reason.QUANTITY_NOT_POSITIVE, f"The quantity of {name} must be at least 1.")
    if extra.needs_day and line.day is None:
        return Refused(Reason.DAY_OUTSIDE_STAY, f"Choose a day of your stay for {name}.")
    if line.day is not None and not guest.stay_from <= line.day <= guest.stay_to:
        return Refused(
            Reason.DAY_OUTSIDE_STAY,
            f"{line.day} is outside your stay ({guest.stay_from} to {guest.stay_to}); choose another day for {name}.",
        )
    return extra.not_had_on(line.day, line.slot)


def _check_totals(lines: list[OrderLine], catalogue: Catalogue) -> Refused | None:
    """Checks over all lines: one currency, and quantities of the same extra summed over lines."""
    asked: dict[tuple[str, str], int] = {}
    for line in lines:
        extra = catalogue[line.extra_id]
        # Limits count per day for extras that need a day, and per order for all others.
        key = (line.extra_id, str(line.day) if extra.needs_day else "")
        asked[key] = asked.get(key, 0) + line.quantity
        if asked[key] > extra.max_quantity:
            return Refused(
                Reason.QUANTITY_OVER_LIMIT,
                f"At most {extra.max_quantity} of {extra.readable} can be ordered at once.",
            )
    currencies = sorted({line.unit_price.currency for line in lines})
    if len(currencies) > 1:
        return Refused(
            Reason.MIXED_CURRENCIES, f"One order is paid in one currency; these extras use {' and '.join(currencies)}."
        )
    return None


def _priced(guest: Guest, line: RequestedLine, extra: Extra) -> OrderLine:
    unit_price = extra.price_on(line.day or guest.stay_from)
    nights = max(1, (guest.stay_to - guest.stay_from).days) if extra.price_per is PriceUnit.NIGHT else None
    line_total = unit_price * line.quantity * (nights or 1)
    return OrderLine(
        extra_id=line.extra_id,
        name=extra.name,
        quantity=line.quantity,
        day=line.day,
        slot=line.slot,
        unit_price=unit_price,
        price_per=extra.price_per,
        nights=nights,
        line_total=line_total,
        vat=vat_of(line_total, extra.vat_rate),
        extra_version=extra.version,
        needs_approval=extra.needs_approval,
    )
