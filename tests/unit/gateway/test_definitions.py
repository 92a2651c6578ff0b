"""What does not fit its form and what breaks a rule is reported at once, each at its place."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import pytest
from fastapi import Request
from pydantic import TypeAdapter

from chassis.messaging.requests import ReplyTimeoutError
from chassis.web.problems import ProblemError
from contracts.catalogue import CheckExtra, MistakesReply
from contracts.ids import PropertyId
from contracts.message import Message
from contracts.offers import ExtraDefinition
from contracts.properties import CheckProperty, PropertyDefinition
from extras_service.catalogue.transitions import mistakes_in
from extras_service.property.rules import mistakes_of
from gateway.api import examples
from gateway.api.bus_gateway import BusGateway
from gateway.api.catalogue_bodies import NewExtraRequest, PropertyRequest
from gateway.api.definitions import KEPT, Definitions, completed

HOTEL = PropertyDefinition(name={"en": "Alpenhof"}, currencies=("EUR",), languages=("en",))
SPA: Mapping[str, Any] = examples.DEFINITION
ODD: tuple[Any, ...] = ([[]], {"x": []}, "\N{SNOWMAN}", 1.5, None)
NEW: TypeAdapter[Any] = TypeAdapter(Annotated[NewExtraRequest, KEPT])
OF_PROPERTY: TypeAdapter[Any] = TypeAdapter(Annotated[PropertyRequest, KEPT])


@dataclass
class Rules:
    """The extras service's rules, without a bus."""

    are_there: bool = True

    async def ask(self, message: Message, request: object) -> Message:
        if not self.are_there:
            raise ReplyTimeoutError("", 1.0)
        if isinstance(message, CheckProperty):
            return MistakesReply(mistakes=mistakes_of(message.definition))
        assert isinstance(message, CheckExtra)
        return MistakesReply(mistakes=mistakes_in(message.definition, HOTEL))


def mistakes(body: Any, rules: Rules | None = None, adapter: TypeAdapter[Any] = NEW) -> list[str]:
    """The places of all mistakes in a body, without what they have in common."""
    of_type: Any = PropertyDefinition if adapter is OF_PROPERTY else ExtraDefinition
    definitions = Definitions(cast(BusGateway, rules or Rules()), of_type)
    with pytest.raises(ProblemError) as refused:
        asyncio.run(definitions.fit(adapter.validate_python(body), PropertyId("alpenhof"), cast(Request, None)))
    assert (refused.value.status, refused.value.name) == (422, "invalid-request")
    return [str(each["pointer"]).removeprefix("/body") for each in refused.value.more["errors"]]


def test_a_body_that_fits_is_passed_on_as_it_is() -> None:
    body = NEW.validate_python({"extra_id": "spa", "definition": SPA})

    fit = asyncio.run(
        Definitions(cast(BusGateway, Rules()), ExtraDefinition).fit(body, PropertyId("a"), cast(Request, None))
    )

    assert fit is body


def test_types_and_rules_are_reported_together_also_of_the_same_slot() -> None:
    slots = [{"at": 900, "places": 0}, {"at": "10:00", "places": "many"}, {"at": "10:00", "places": 1}]
    wrong: dict[str, Any] = {
        **SPA,
        "max_quantity": "two",
        "lead_hours": -1,
        "slots": slots,
        "name": {"en": 5, "xx9": ""},
    }

    found = mistakes({"extra_id": "!", "definition": wrong})

    assert sorted(found) == sorted(
        [
            "/extra_id",
            "/definition/max_quantity",
            "/definition/slots/0/at",
            "/definition/slots/1/places",
            "/definition/name/en",
            "/definition/name/xx9",
            "/definition/name/xx9",
            "/definition/slots/0/places",
            "/definition/slots/2/at",
            "/definition/lead_hours",
        ]
    )


def _fits(part: dict[str, Any]) -> bool:
    """Whether the definition with this part has the form that is asked for: some odd values do."""
    asked = {"extra_id": "spa", "definition": {**SPA, **part}}
    return isinstance(NEW.validate_python(asked), NewExtraRequest)


@pytest.mark.parametrize(
    "part",
    [
        *({name: wrong} for name in SPA for wrong in ODD if not _fits({name: wrong})),
        {"slots": [None, {}, {"at": {}}]},
        {"seasons": [7, {}, {"first_day": "soon"}, {"unit_price": {"amount": "x", "currency": 3}}]},
        {"picture": {}},
        {"picture": {"picture_id": 5, "alt": {"en": 7}}},
        {"unit_price": {"amount": "x"}},
        {"unit_price": {"amount": 5, "currency": "euro"}},
        {"blackout_days": ["2026-12-24", "soon", 7]},
        {"weekdays": ["mon", "noday"]},
    ],
    ids=str,
)
def test_one_broken_part_is_reported_alone_and_other_mistakes_beside_it(part: dict[str, Any]) -> None:
    [name] = part
    other = "/category" if name != "category" else "/max_quantity"
    broken = {**SPA, **part}

    beside = mistakes({"extra_id": "spa", "definition": {**broken, other[1:]: "" if other == "/category" else 0}})
    alone = mistakes({"extra_id": "spa", "definition": broken})

    assert all(place.startswith(f"/definition/{name}") for place in alone)
    assert f"/definition{other}" in beside


@pytest.mark.parametrize("body", [7, [], {}, {"extra_id": "spa"}, {"extra_id": "spa", "definition": []}], ids=str)
def test_a_body_without_a_definition_is_reported_by_its_form_alone(body: Any) -> None:
    assert mistakes(body)


def test_the_property_is_checked_in_the_same_way() -> None:
    wrong: dict[str, Any] = {
        "name": {"en": "A"},
        "languages": [7, "de"],
        "currencies": ["EUR", 9, "XXX"],
        "pay_within": "soon",
    }

    found = mistakes({"version": "one", "definition": wrong | {"time_zone": "Vienna"}}, adapter=OF_PROPERTY)

    assert sorted(found) == [
        "/definition/currencies/1",
        "/definition/currencies/2",
        "/definition/languages/0",
        "/definition/pay_within",
        "/definition/time_zone",
        "/version",
    ]


def test_what_does_not_fit_is_reported_also_while_no_service_checks_the_rules() -> None:
    found = mistakes({"extra_id": "spa", "definition": {**SPA, "max_quantity": "x"}}, Rules(are_there=False))

    assert found == ["/definition/max_quantity"]


def test_a_body_full_of_broken_parts_is_not_filled() -> None:
    many = {"definition": {**SPA, "slots": [{}] * 10_000}}

    assert completed(many, ExtraDefinition) is None
