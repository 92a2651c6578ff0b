"""The rules of a property's definition, checked as a whole: all mistakes at once. Pure."""

import re
from collections.abc import Iterator, Set
from datetime import timedelta
from functools import cache
from zoneinfo import available_timezones

from contracts.money import PSP_CURRENCIES
from contracts.offers import Mistake
from contracts.properties import PropertyDefinition
from contracts.psp_accounts import ACCOUNT_NAME
from extras_service.catalogue.rules import LANGUAGE, LONGEST_NAME, texts_in

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST_TEXT, _LONGEST_ADDRESS = 100, 500
_SHORTEST_WINDOW, _LONGEST_WINDOW = timedelta(minutes=5), timedelta(days=7)
_LONGEST_CUT_OFF = timedelta(days=366)
_Found = Iterator[tuple[str, str]]


def mistakes_of(definition: PropertyDefinition) -> tuple[Mistake, ...]:
    """All mistakes in a definition, each with its place."""
    rules = (_texts, _places, _times, _colours, _account)
    return tuple(Mistake(pointer=pointer, detail=detail) for rule in rules for pointer, detail in rule(definition))


def _texts(hotel: PropertyDefinition) -> _Found:
    if not hotel.name:
        yield "/name", "write a name in at least one language"
    yield from texts_in("/name", hotel.name, LONGEST_NAME)
    for number, language in enumerate(hotel.languages):
        if LANGUAGE.fullmatch(language[:40]) is None:
            yield f"/languages/{number}", "a language is written as a tag: en, de, pt-BR"
    if hotel.languages and hotel.languages[0] not in hotel.name:
        yield "/name", f"the name has no text in {hotel.languages[0]!r}, the first of the languages"
    for field in ("vat_id", "contact_email", "contact_phone"):
        text: str = getattr(hotel, field)
        if len(text) > _LONGEST_TEXT or not text.isprintable():
            yield f"/{field}", f"at most {_LONGEST_TEXT} characters in one line"
    if len(hotel.address) > _LONGEST_ADDRESS:
        yield "/address", f"at most {_LONGEST_ADDRESS} characters"
    if hotel.contact_email and "@" not in hotel.contact_email[1:-1]:
        yield "/contact_email", "an e-mail address has an @"


@cache
def _time_zones() -> Set[str]:
    """IANA's, as this machine has them. Reading them takes 30 ms."""
    return available_timezones() - {"localtime"}


def _places(hotel: PropertyDefinition) -> _Found:
    if hotel.time_zone not in _time_zones():
        yield "/time_zone", f"there is no time zone {hotel.time_zone!r}: write one of IANA's, such as Europe/Vienna"
    for number, currency in enumerate(hotel.currencies):
        if currency not in PSP_CURRENCIES:
            yield f"/currencies/{number}", f"the PSP does not charge in {currency[:20]!r}"


def _times(hotel: PropertyDefinition) -> _Found:
    if hotel.pay_within is not None and not _SHORTEST_WINDOW <= hotel.pay_within <= _LONGEST_WINDOW:
        yield "/pay_within", "an order waits for its payment between 5 minutes and 7 days"
    if hotel.cancel_until is not None and not timedelta() <= hotel.cancel_until <= _LONGEST_CUT_OFF:
        yield "/cancel_until", "guests may cancel until 0 to 366 days before"


def _colours(hotel: PropertyDefinition) -> _Found:
    for name, colour in hotel.theme.model_dump().items():
        if colour is not None and _COLOUR.fullmatch(colour[:10]) is None:
            yield f"/theme/{name}", "a colour is written as #rrggbb"


def _account(hotel: PropertyDefinition) -> _Found:
    if ACCOUNT_NAME.fullmatch(hotel.psp_account[:40]) is None:
        yield "/psp_account", "an account is named by 1 to 32 lower-case letters, digits and hyphens"
