"""The rules of a definition: each mistake at its place, and all of them at once."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.offers import ExtraDefinition
from extras_service.catalogue.file import CatalogueError, read_catalogue
from extras_service.catalogue.rules import mistakes_of

SOUND: dict[str, Any] = {
    "name": {"en": "Spa", "de": "Spa"},
    "description": {"en": "Sauna and pool"},
    "category": "spa",
    "unit_price": {"amount": 4500, "currency": "EUR"},
    "price_per": "person",
    "vat_rate": 1000,
    "max_quantity": 4,
    "needs_day": True,
    "slots": [{"at": "10:00", "places": 4}, {"at": "15:00", "places": 4}],
    "lead_hours": 12,
    "weekdays": ["mon", "fri"],
    "blackout_days": ["2026-12-24"],
    "seasons": [
        {"first_day": "2026-12-01", "last_day": "2027-03-31", "unit_price": {"amount": 6000, "currency": "EUR"}}
    ],
    "active_from": "2026-11-01",
    "active_until": "2027-04-30",
}


def _places(**fields: Any) -> list[str]:
    return [mistake.pointer for mistake in mistakes_of(ExtraDefinition.model_validate(SOUND | fields))]


def test_a_definition_with_every_field_is_sound() -> None:
    assert _places() == []


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": {}}, "/name"),
        ({"name": {"en": " "}}, "/name/en"),
        ({"name": {"English language": "Spa"}}, "/name/English language"),
        ({"description": {"en": "x" * 4001}}, "/description/en"),
        ({"category": ""}, "/category"),
        ({"unit_price": {"amount": 0, "currency": "EUR"}}, "/unit_price"),
        ({"unit_price": {"amount": 4500, "currency": "CHF"}}, "/seasons/0/unit_price"),
        ({"price_per": "night"}, "/price_per"),
        ({"vat_rate": 10_001}, "/vat_rate"),
        ({"max_quantity": 0}, "/max_quantity"),
        ({"slots": [], "daily_limit": 0}, "/daily_limit"),
        ({"daily_limit": 5}, "/daily_limit"),
        ({"slots": [{"at": "24:00", "places": 1}]}, "/slots/0/at"),
        ({"slots": [{"at": "9:00", "places": 1}]}, "/slots/0/at"),
        ({"slots": [{"at": "15:00\n", "places": 1}]}, "/slots/0/at"),
        ({"slots": [{"at": "15:00", "places": 1}, {"at": "15:00", "places": 2}]}, "/slots/1/at"),
        ({"slots": [{"at": "15:00", "places": 0}]}, "/slots/0/places"),
        ({"slots": [{"at": f"{n // 60:02}:{n % 60:02}", "places": 1} for n in range(97)]}, "/slots"),
        ({"lead_hours": -1}, "/lead_hours"),
        ({"weekdays": ["mon", "mon"]}, "/weekdays"),
        ({"blackout_days": [str(date(2026, 1, 1))] * 367}, "/blackout_days"),
        ({"active_until": "2026-10-31"}, "/active_until"),
        ({"seasons": SOUND["seasons"] * 2}, "/seasons/1"),
        ({"seasons": [SOUND["seasons"][0] | {"last_day": "2026-11-30"}]}, "/seasons/0/last_day"),
        ({"seasons": [SOUND["seasons"][0] | {"last_day": "9999-12-31"}]}, "/seasons/0/last_day"),
    ],
)
def test_a_mistake_has_its_place(fields: dict[str, Any], place: str) -> None:
    assert _places(**fields) == [place]


def test_what_counts_by_the_day_needs_a_day() -> None:
    expected = ["/slots", "/lead_hours", "/weekdays", "/blackout_days"]

    assert _places(needs_day=False) == expected


def test_all_mistakes_are_reported_at_once() -> None:
    found = _places(name={}, max_quantity=0, vat_rate=-1, lead_hours=-5, weekdays=["sun", "sun"])

    assert found == ["/name", "/vat_rate", "/max_quantity", "/lead_hours", "/weekdays"]


def test_a_time_without_quotes_in_the_file_is_a_mistake_with_advice_and_the_others_are_reported_too(
    tmp_path: Path,
) -> None:
    file = tmp_path / "catalogue.yaml"
    file.write_text(
        "extras:\n"
        "  - extra_id: spa\n"
        "    property_id: p\n"
        "    name: {en: Spa}\n"
        "    category: spa\n"
        "    max_quantity: 0\n"
        "    needs_day: true\n"
        "    unit_price: {amount: 4500, currency: EUR}\n"
        "    slots:\n"
        "      - {at: 15:00, places: 4}\n",
        encoding="utf-8",
    )

    with pytest.raises(CatalogueError) as raised:
        read_catalogue(file)

    assert [mistake.split(":")[1] for mistake in raised.value.mistakes] == ["10", "6"]
    assert 'in quotes: "15:00"' in raised.value.mistakes[0]
