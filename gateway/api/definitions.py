"""Bodies with a definition: what does not fit its form is reported together with the rules that the rest breaks."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from chassis.messaging.requests import ReplyTimeoutError
from chassis.web.problems import invalid_request, pointer_of
from contracts.catalogue import CheckExtra, MistakesReply
from contracts.ids import PropertyId
from contracts.offers import ExtraDefinition, Mistake
from contracts.properties import CheckProperty, PropertyDefinition
from gateway.api.bus_gateway import BusGateway, expected

BodyT = TypeVar("BodyT", bound=BaseModel)
_Definition = ExtraDefinition | PropertyDefinition

_ANY_AMOUNT = 10_000
"""Minor units that the PSP charges in every currency."""
_MOST_FILLED = 200
"""Parts of one definition that are replaced."""
_BY_DAY = ("daily_limit", "slots", "lead_hours", "weekdays", "blackout_days")
_DEFINITION = "definition"
_Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A body that does not fit its form, and why, by place."""

    body: Any
    mistakes: Mapping[_Place, str]


def _kept(body: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validated(body)
    except ValidationError as error:
        return Unfit(body, {item["loc"]: item["msg"] for item in error.errors()})


KEPT = WrapValidator(_kept)
"""Annotates a route's body: one that does not fit becomes `Unfit`, for `Definitions.fit` to report."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Checks bodies that have a definition of one type."""

    bus: BusGateway
    of_type: type[_Definition]

    async def fit(self, body: BodyT | Unfit, property_id: PropertyId, request: Request) -> BodyT:
        """The body. Raises ProblemError 422 with all its mistakes if it does not fit its form."""
        if not isinstance(body, Unfit):
            return body
        raise invalid_request(await self._mistakes(body, property_id, request))

    async def _mistakes(self, body: Unfit, property_id: PropertyId, request: Request) -> list[dict[str, str]]:
        found = {pointer_of(*place): detail for place, detail in body.mistakes.items()}
        others = await self._by_rule(body, property_id, request)
        return [
            *({"pointer": f"/body{place}", "detail": detail} for place, detail in found.items()),
            *(
                {"pointer": f"/body{each.pointer}", "detail": each.detail}
                for each in others
                if found.keys().isdisjoint(_ancestors(each.pointer))
            ),
        ]

    async def _by_rule(self, body: Unfit, property_id: PropertyId, request: Request) -> list[Mistake]:
        """The rules that the parts which fit break; none if no service checks them."""
        definition = completed(body.body, self.of_type)
        if definition is None:
            return []
        query = (
            CheckProperty(property_id=property_id, definition=definition)
            if isinstance(definition, PropertyDefinition)
            else CheckExtra(property_id=property_id, definition=definition)
        )
        try:
            reply = expected(await self.bus.ask(query, request), MistakesReply)
        except ReplyTimeoutError:  # a service of an earlier version, or none: what does not fit is reported in any case
            return []
        return [each.model_copy(update={"pointer": f"/{_DEFINITION}{each.pointer}"}) for each in reply.mistakes]


def _ancestors(pointer: str) -> Iterator[str]:
    """A place, and every place that it is in."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]


def completed(body: Any, of_type: type[_Definition]) -> _Definition | None:
    """A body's definition with harmless values in place of those that do not fit. None: there is no telling."""
    raw = body.get(_DEFINITION) if isinstance(body, dict) else None
    if not isinstance(raw, dict):
        return None
    filled = deepcopy(raw)
    for _ in range(2):  # what is put in place of a broken part may need parts itself
        try:
            return of_type.model_validate(filled)
        except ValidationError as error:
            places = {item["loc"] for item in error.errors()}
            if len(places) > _MOST_FILLED:
                return None
            # From the back: what is left out of a list does not move the places before it.
            for place in sorted(places, key=_order, reverse=True):
                _fill(filled, place)
    try:
        return of_type.model_validate(filled)
    except ValidationError:
        return None


def _order(place: _Place) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (0, part) for part in place]


def _fill(definition: dict[str, Any], place: _Place) -> None:
    path, last = place[:-1], place[-1]
    parent: Any = definition
    for part in path:
        parent = parent[part]
    stand_in = _stand_in(definition, place, parent)
    if stand_in is not None:
        parent[last] = stand_in
    elif isinstance(parent, dict):
        parent.pop(last, None)
    else:
        del parent[last]


def _stand_in(definition: Mapping[str, Any], place: _Place, parent: Any) -> Any:
    """A value that breaks no rule, for a part without a default. None: leave it out."""
    match place:
        case ("name",):
            return {"en": "-"}
        case ("picture", "alt"):
            return {"en": "-"}
        case ("picture", "picture_id"):
            return "0" * 64
        case ("name" | "description", str()) | ("category",) | ("picture", "alt", str()):
            return "-"
        case ("max_quantity",) | ("slots", int(), "places"):
            return 1
        case ("needs_day",):
            return any(definition.get(name) for name in _BY_DAY)
        case (*_, "unit_price"):
            return {"amount": _ANY_AMOUNT, "currency": _currency(definition)}
        case (*_, "unit_price", "amount"):
            return _ANY_AMOUNT
        case (*_, "unit_price", "currency"):
            return _currency(definition)
        case ("slots", int(), "at"):
            return _free_time(definition["slots"])
        case ("slots", int()):
            return {"at": _free_time(definition["slots"]), "places": 1}
        case ("seasons", int() as number, "first_day" | "last_day" as name):
            other = parent.get("last_day" if name == "first_day" else "first_day")
            return other if _is_date(other) else _far_day(number)
        case ("seasons", int() as number):
            price = {"amount": _ANY_AMOUNT, "currency": _currency(definition)}
            return {"first_day": _far_day(number), "last_day": _far_day(number), "unit_price": price}
        case ("currencies", int()):
            return "EUR"
        case ("languages", int()):
            return next(iter(definition.get("name") or ()), "en")
        case _:
            return None


def _is_date(text: object) -> bool:
    try:
        date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return True


def _far_day(number: int) -> str:
    """A day of its own for each season, on which there is no other."""
    return f"{9000 + number % 1000}-01-01"


def _currency(definition: Mapping[str, Any]) -> str:
    """A currency of its prices."""
    seasons = definition.get("seasons")
    prices = [definition, *(seasons if isinstance(seasons, list) else ())]
    return next(_currencies(prices), "EUR")


def _currencies(priced: Sequence[Any]) -> Iterator[str]:
    for each in priced:
        price = each.get("unit_price") if isinstance(each, dict) else None
        named = price.get("currency") if isinstance(price, dict) else None
        if isinstance(named, str) and len(named) == 3 and named.isascii() and named.isupper():
            yield named


def _free_time(slots: Sequence[Any]) -> str:
    taken = {slot.get("at") for slot in slots if isinstance(slot, dict) and isinstance(slot.get("at"), str)}
    times = (f"{minute // 60:02}:{minute % 60:02}" for minute in range(24 * 60))
    return next((time for time in times if time not in taken), "00:00")
