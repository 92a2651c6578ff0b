"""The rules of an extra's definition, checked as a whole: all mistakes at once. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from contracts.money import unpayable
from contracts.offers import SLOT_FORM, ExtraDefinition, Mistake, PriceUnit
from contracts.pictures import PICTURE_ID

SLOT = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[0-9A-Za-z]{2,8}){0,3}")
LONGEST_NAME, LONGEST_ALT, LONGEST_DESCRIPTION = 200, 300, 4000
"""Characters in one language."""
_LONGEST_LEAD = 366 * 24
_MOST_SLOTS, _MOST_DAYS, _MOST_SEASONS = 96, 366, 50
_Found = Iterator[tuple[str, str]]


def mistakes_of(definition: ExtraDefinition) -> tuple[Mistake, ...]:
    """All mistakes in a definition, each with its place. Empty: it may be offered."""
    rules = (_texts, _prices, _limits, _days, _seasons)
    return tuple(Mistake(pointer=pointer, detail=detail) for rule in rules for pointer, detail in rule(definition))


def _texts(extra: ExtraDefinition) -> _Found:
    if not extra.name:
        yield "/name", "write a name in at least one language"
    yield from texts_in("/name", extra.name, LONGEST_NAME)
    yield from texts_in("/description", extra.description, LONGEST_DESCRIPTION)
    if extra.picture is not None:
        if re.fullmatch(PICTURE_ID, extra.picture.picture_id[:65]) is None:
            yield "/picture/picture_id", "a picture is referred to by the id that its upload has answered"
        if not extra.picture.alt:
            yield "/picture/alt", "write in at least one language what the picture shows"
        yield from texts_in("/picture/alt", extra.picture.alt, LONGEST_ALT)
    if not extra.category.strip() or len(extra.category) > LONGEST_NAME:
        yield "/category", f"a category has 1 to {LONGEST_NAME} characters"


def texts_in(pointer: str, texts: Mapping[str, str], longest: int) -> _Found:
    """The mistakes of a text in several languages."""
    for language, text in texts.items():
        at = f"{pointer}/{language.replace('~', '~0').replace('/', '~1')}"
        if LANGUAGE.fullmatch(language[:40]) is None:
            yield at, "a language is written as a tag: en, de, pt-BR"
        if not text.strip() or len(text) > longest:
            yield at, f"a text has 1 to {longest} characters"


def _prices(extra: ExtraDefinition) -> _Found:
    currency = extra.unit_price.currency
    priced = {"/unit_price": extra.unit_price} | {
        f"/seasons/{number}/unit_price": season.unit_price for number, season in enumerate(extra.seasons)
    }
    for pointer, price in priced.items():
        if (why := unpayable(price)) is not None:
            yield pointer, why
        if price.currency != currency:
            yield pointer, f"all prices of an extra are in one currency, here {currency}"
    if extra.price_per in (PriceUnit.NIGHT, PriceUnit.STAY) and extra.needs_day:
        yield "/price_per", f"a price per {extra.price_per} is for the whole stay: it needs needs_day: false"
    if extra.vat_rate is not None and not 0 <= extra.vat_rate <= 10_000:
        yield "/vat_rate", "a VAT rate is 0 to 10000 hundredths of a percent: 1000 is 10 %"


def _limits(extra: ExtraDefinition) -> _Found:
    if extra.max_quantity < 1:
        yield "/max_quantity", "must be at least 1"
    if extra.daily_limit is not None and extra.daily_limit < 1:
        yield "/daily_limit", "must be at least 1"
    if extra.daily_limit is not None and extra.slots:
        yield "/daily_limit", "the places of an extra with slots are counted by the slot: leave daily_limit out"
    if len(extra.slots) > _MOST_SLOTS:
        yield "/slots", f"at most {_MOST_SLOTS} slots"
    seen = set[str]()
    for number, slot in enumerate(extra.slots):
        if SLOT.fullmatch(slot.at[:6]) is None:
            yield f"/slots/{number}/at", SLOT_FORM
        if slot.at in seen:
            yield f"/slots/{number}/at", f"{slot.at} is there twice"
        if slot.places < 1:
            yield f"/slots/{number}/places", "must be at least 1"
        seen.add(slot.at)


def _days(extra: ExtraDefinition) -> _Found:
    by_day = {
        "daily_limit": extra.daily_limit is not None,
        "slots": bool(extra.slots),
        "lead_hours": bool(extra.lead_hours),
        "weekdays": bool(extra.weekdays),
        "blackout_days": bool(extra.blackout_days),
    }
    for name in (name for name, is_set in by_day.items() if is_set and not extra.needs_day):
        yield f"/{name}", f"{name} counts by the day: it needs needs_day: true"
    if not 0 <= extra.lead_hours <= _LONGEST_LEAD:
        yield "/lead_hours", f"a lead time is 0 to {_LONGEST_LEAD} hours"
    if len(set(extra.weekdays)) < len(extra.weekdays):
        yield "/weekdays", "each day of the week is named once"
    if len(extra.blackout_days) > _MOST_DAYS:
        yield "/blackout_days", f"at most {_MOST_DAYS} days"
    if extra.active_from and extra.active_until and extra.active_until < extra.active_from:
        yield "/active_until", f"is before active_from, {extra.active_from}"


def _seasons(extra: ExtraDefinition) -> _Found:
    if len(extra.seasons) > _MOST_SEASONS:
        yield "/seasons", f"at most {_MOST_SEASONS} seasons"
    taken = dict[date, int]()
    for number, season in enumerate(extra.seasons[:_MOST_SEASONS]):
        length = (season.last_day - season.first_day).days + 1
        if not 1 <= length <= 3 * _MOST_DAYS:
            yield f"/seasons/{number}/last_day", "a season ends on its first day or later, within three years"
            continue
        days = [season.first_day + timedelta(days=day) for day in range(length)]
        other = next((taken[day] for day in days if day in taken), None)
        if other is not None:
            yield f"/seasons/{number}", f"overlaps with season {other + 1}: a day has one price"
        taken.update(dict.fromkeys(days, number))
