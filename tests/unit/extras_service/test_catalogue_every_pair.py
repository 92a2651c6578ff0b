"""Every status of an extra and of a property meets every message: how each pair ends is written down here."""

from typing import Any

import pytest

from chassis.decision import Applied, Ignored, Refused, State
from contracts.catalogue import ChangeExtra, DefineExtra, ExtraStatus, Origin, RetireExtra
from contracts.ids import ExtraId, PropertyId
from contracts.money import Money
from contracts.offers import ExtraDefinition, Picture, Slot
from contracts.properties import ChangeProperty, DefineProperty, PropertyDefinition
from extras_service.catalogue.decide import decide
from extras_service.catalogue.inputs import CatalogueInput, ExtraChange, ExtraDefining, MoveExtra
from extras_service.catalogue.state import CatalogueExtra
from extras_service.property.decide import decide as decide_property
from extras_service.property.inputs import PropertyInput
from extras_service.property.state import Property
from extras_service.versions import KEPT
from tests.support import orders as given

SPA = ExtraId("alm-spa")
HOTEL = PropertyDefinition(name={"en": "Alpenhof"}, time_zone="Europe/Vienna")
DEFINITION = ExtraDefinition(
    name={"en": "Spa"},
    category="spa",
    unit_price=Money(amount=4500, currency="EUR"),
    max_quantity=4,
    needs_day=True,
    slots=(Slot(at="15:00", places=4),),
)
DEARER = DEFINITION.model_copy(update={"unit_price": Money(amount=5000, currency="EUR")})
BROKEN = DEFINITION.model_copy(update={"max_quantity": 0, "name": {}})
SHOWN = DEFINITION.model_copy(update={"picture": Picture(picture_id="0f" * 32, alt={"en": "A whirlpool"})})


def defining(
    definition: ExtraDefinition = DEFINITION, *, by: str = "alpenhof", has_picture: bool = True, **fields: Any
) -> ExtraDefining:
    command = DefineExtra(extra_id=SPA, staff=given.staff(by), definition=definition, **fields)
    return ExtraDefining(command, HOTEL, last_position=6, has_picture=has_picture)


def changing(
    definition: ExtraDefinition = DEARER,
    *,
    version: int = 1,
    by: str = "alpenhof",
    has_picture: bool = True,
    **fields: Any,
) -> ExtraChange:
    command = ChangeExtra(extra_id=SPA, staff=given.staff(by), version=version, definition=definition, **fields)
    return ExtraChange(command, HOTEL, has_picture=has_picture)


def retiring(version: int = 1, by: str = "alpenhof") -> RetireExtra:
    return RetireExtra(extra_id=SPA, staff=given.staff(by), version=version)


def after(*messages: CatalogueInput) -> CatalogueExtra:
    extra: CatalogueExtra | None = None
    for message in messages:
        decision = decide(extra, message, given.NOW)
        assert isinstance(decision, Applied), decision
        extra = decision.state
    assert extra is not None
    return extra


MESSAGES: dict[str, CatalogueInput] = {
    "define": defining(),
    "define otherwise": defining(DEARER),
    "define with mistakes": defining(BROKEN),
    "define with a picture": defining(SHOWN),
    "define with a missing picture": defining(SHOWN, has_picture=False),
    "define elsewhere": defining(by="kamogawa"),
    "change": changing(),
    "change to what it is": changing(DEFINITION),
    "change of an older version": changing(version=0),
    "change with mistakes": changing(BROKEN),
    "change to a picture": changing(SHOWN),
    "change to a missing picture": changing(SHOWN, has_picture=False),
    "change elsewhere": changing(by="kamogawa"),
    "retire": retiring(),
    "retire an older version": retiring(0),
    "retire elsewhere": retiring(by="kamogawa"),
    "move": MoveExtra(given.staff(), 3),
    "move to where it is": MoveExtra(given.staff(), 7),
    "move elsewhere": MoveExtra(given.staff("kamogawa"), 3),
}
TABLE = """
message                    | none              | offered                  | retired
define                     | -> offered        | ignored                  | -> offered
define otherwise           | -> offered        | refused extra_exists     | -> offered
define with mistakes       | refused extra_invalid | refused extra_exists | refused extra_invalid
define with a picture      | -> offered        | refused extra_exists     | -> offered
define with a missing picture | refused extra_invalid | refused extra_exists | refused extra_invalid
define elsewhere           | -> offered        | refused extra_exists     | refused extra_exists
change                     | refused extra_not_found | -> offered         | refused extra_retired
change to what it is       | refused extra_not_found | ignored            | refused extra_retired
change of an older version | refused extra_not_found | refused version_outdated | refused extra_retired
change with mistakes       | refused extra_not_found | refused extra_invalid | refused extra_retired
change to a picture        | refused extra_not_found | -> offered         | refused extra_retired
change to a missing picture | refused extra_not_found | refused extra_invalid | refused extra_retired
change elsewhere           | refused extra_not_found | refused extra_not_found | refused extra_not_found
retire                     | refused extra_not_found | -> retired         | ignored
retire an older version    | refused extra_not_found | refused version_outdated | ignored
retire elsewhere           | refused extra_not_found | refused extra_not_found | refused extra_not_found
move                       | refused extra_not_found | -> offered         | ignored
move to where it is        | refused extra_not_found | ignored            | ignored
move elsewhere             | refused extra_not_found | refused extra_not_found | refused extra_not_found
"""


def _pairs(table: str) -> list[tuple[str, str, str]]:
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [(row[0], status, ends) for row in rows for status, ends in zip(head[1:], row[1:], strict=True)]


def _ending(decision: object) -> str:
    match decision:
        case Applied(state=state):
            assert isinstance(state, State)
            return f"-> {getattr(state, 'status')}"  # noqa: B009  # both states have one
        case Refused(reason=reason):
            return f"refused {reason}"
        case Ignored():
            return "ignored"
    raise AssertionError(decision)


@pytest.mark.parametrize(("message", "status", "ends"), _pairs(TABLE))
def test_every_status_of_an_extra_meets_every_message(message: str, status: str, ends: str) -> None:
    extras = {"none": None, "offered": after(defining()), "retired": after(defining(), retiring())}

    assert _ending(decide(extras[status], MESSAGES[message], given.NOW)) == ends


def test_the_table_has_every_status_and_message() -> None:
    assert {(message, status) for message, status, _ in _pairs(TABLE)} == {
        (message, status) for message in MESSAGES for status in ("none", *ExtraStatus)
    }


def _hotel(command: type[DefineProperty] | type[ChangeProperty], by: str = "alpenhof", **fields: Any) -> PropertyInput:
    hotel = {"property_id": PropertyId("alpenhof"), "staff": given.staff(by), "definition": HOTEL}
    return command.model_validate(hotel | fields)


NAMED = HOTEL.model_copy(update={"vat_id": "ATU12345678"})
NOWHERE = HOTEL.model_copy(update={"time_zone": "Mars/Olympus", "currencies": ("EUR", "ITL")})
PROPERTY_MESSAGES = {
    "define": _hotel(DefineProperty),
    "define otherwise": _hotel(DefineProperty, definition=NAMED),
    "define with mistakes": _hotel(DefineProperty, definition=NOWHERE),
    "define elsewhere": _hotel(DefineProperty, "kamogawa"),
    "change": _hotel(ChangeProperty, definition=NAMED, version=1),
    "change to what it is": _hotel(ChangeProperty, version=1),
    "change of an older version": _hotel(ChangeProperty, definition=NAMED, version=0),
    "change with mistakes": _hotel(ChangeProperty, definition=NOWHERE, version=1),
    "change elsewhere": _hotel(ChangeProperty, "kamogawa", version=1),
}
PROPERTY_TABLE = """
message                    | none                       | defined
define                     | -> defined                 | ignored
define otherwise           | -> defined                 | refused property_exists
define with mistakes       | refused property_invalid   | refused property_exists
define elsewhere           | refused property_not_found | refused property_not_found
change                     | refused property_not_found | -> defined
change to what it is       | refused property_not_found | ignored
change of an older version | refused property_not_found | refused version_outdated
change with mistakes       | refused property_not_found | refused property_invalid
change elsewhere           | refused property_not_found | refused property_not_found
"""


@pytest.mark.parametrize(("message", "status", "ends"), _pairs(PROPERTY_TABLE))
def test_every_status_of_a_property_meets_every_message(message: str, status: str, ends: str) -> None:
    defined = decide_property(None, PROPERTY_MESSAGES["define"], given.NOW)
    assert isinstance(defined, Applied)
    hotel: Property | None = None if status == "none" else defined.state

    assert _ending(decide_property(hotel, PROPERTY_MESSAGES[message], given.NOW)) == ends


def test_all_mistakes_of_a_property_are_reported_at_once() -> None:
    refused = decide_property(None, PROPERTY_MESSAGES["define with mistakes"], given.NOW)

    assert isinstance(refused, Refused)
    assert [mistake.pointer for mistake in refused.mistakes] == ["/time_zone", "/currencies/1"]


def test_the_second_of_two_owners_is_told_who_changed_it_and_loses_nothing() -> None:
    extra = after(defining(), changing())

    refused = decide(extra, changing(BROKEN, version=1), given.NOW)

    assert isinstance(refused, Refused)
    assert "changed by reception meanwhile" in refused.detail
    assert extra.definition == DEARER


def test_a_new_extra_is_the_last_of_its_list_and_is_offered_with_its_version() -> None:
    extra = after(defining(), changing())

    offered = extra.offered("Europe/Vienna")

    assert (offered.position, offered.version, offered.time_zone) == (7, 2, "Europe/Vienna")
    assert offered.is_on_offer
    assert not after(defining(), retiring()).offered().is_on_offer


def test_an_extra_that_is_defined_again_goes_on_with_its_versions() -> None:
    extra = after(defining(), retiring(), defining(DEARER))

    assert [version.number for version in extra.versions] == [1, 2]
    assert extra.status is ExtraStatus.OFFERED


def test_the_oldest_versions_are_forgotten() -> None:
    changes = [changing(DEARER if number % 2 else DEFINITION, version=number) for number in range(1, KEPT + 5)]

    extra = after(defining(), *changes)

    assert [version.number for version in extra.versions] == list(range(6, KEPT + 6))


def test_a_definition_keeps_to_its_propertys_currencies_and_fallback_language() -> None:
    hotel = HOTEL.model_copy(update={"currencies": ("CHF",), "languages": ("de", "en")})

    refused = decide(None, ExtraDefining(defining().command, hotel), given.NOW)

    assert isinstance(refused, Refused)
    assert [mistake.pointer for mistake in refused.mistakes] == ["/unit_price/currency", "/name"]


def test_an_extra_of_a_property_that_is_not_defined_is_refused() -> None:
    refused = decide(None, ExtraDefining(defining().command, None), given.NOW)

    assert isinstance(refused, Refused)
    assert refused.reason == "property_not_found"


@pytest.mark.parametrize(
    ("messages", "is_changed"),
    [
        ((defining(),), True),
        ((defining(origin=Origin.FILE),), False),
        ((defining(origin=Origin.FILE), changing()), True),
        ((defining(origin=Origin.FILE), changing(origin=Origin.FILE)), False),
        ((defining(origin=Origin.FILE), changing(), changing(DEFINITION, version=2)), False),
    ],
    ids=["made by staff", "imported", "changed by staff", "imported again", "changed back"],
)
def test_an_extra_says_whether_staff_have_changed_it_since_its_import(
    messages: tuple[CatalogueInput, ...], is_changed: bool
) -> None:
    assert after(*messages).view().changed_since_import is is_changed
