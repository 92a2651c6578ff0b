"""Transitions of an extra in the catalogue. Pure."""

from datetime import datetime

from chassis.decision import Applied, Decision, Ignored, Refused
from contracts.catalogue import (
    ChangeExtra,
    DefineExtra,
    ExtraChanged,
    ExtraDefined,
    ExtraMoved,
    ExtraRetired,
    ExtraStatus,
    Origin,
    RetireExtra,
)
from contracts.offers import ExtraDefinition, Mistake
from contracts.orders import Reason
from contracts.properties import PropertyDefinition
from extras_service.catalogue.inputs import ExtraChange, ExtraDefining, MoveExtra
from extras_service.catalogue.rules import mistakes_of
from extras_service.catalogue.state import CatalogueExtra
from extras_service.versions import Version, counted, followed_by, no_change


def defined(retired_one: CatalogueExtra | None, message: ExtraDefining, now: datetime) -> Decision[CatalogueExtra]:
    """Add an extra, or one again that was retired: its versions go on."""
    command = message.command
    if message.property is None:
        return Refused(Reason.PROPERTY_NOT_FOUND, "Define the property first: its extras go by its time zone.")
    if (refused := _invalid(message)) is not None:
        return refused
    earlier = retired_one.versions if retired_one else ()
    newest = _version(command, earlier[-1].number + 1 if earlier else 1, now)
    extra = CatalogueExtra(
        extra_id=command.extra_id,
        property_id=command.staff.property_id,
        created_at=retired_one.created_at if retired_one else now,
        status=ExtraStatus.OFFERED,
        position=message.last_position + 1 if command.position is None else command.position,
        versions=followed_by(earlier, newest),
        imported=command.definition if command.origin is Origin.FILE else None,
    )
    return Applied(
        extra, (ExtraDefined(**_event(extra, newest.by), version=newest.number, definition=extra.definition),)
    )


def changed(extra: CatalogueExtra, message: ExtraChange, now: datetime) -> Decision[CatalogueExtra]:
    command = message.command
    unchanged = no_change(extra.current, command.version, command.definition)
    if unchanged is not None:
        return unchanged
    if (refused := _invalid(message)) is not None:
        return refused
    newest = _version(command, extra.current.number + 1, now)
    imported = command.definition if command.origin is Origin.FILE else extra.imported
    now_so = extra.model_copy(update={"versions": followed_by(extra.versions, newest), "imported": imported})
    event = ExtraChanged(**_event(extra, newest.by), version=newest.number, definition=command.definition)
    return Applied(now_so, (event,))


def retired(extra: CatalogueExtra, command: RetireExtra) -> Decision[CatalogueExtra]:
    outdated = no_change(extra.current, command.version, None)
    if outdated is not None:
        return outdated
    event = ExtraRetired(**_event(extra, command.staff.staff_id), version=extra.current.number)
    return Applied(extra.model_copy(update={"status": ExtraStatus.RETIRED}), (event,))


def moved(extra: CatalogueExtra, message: MoveExtra) -> Decision[CatalogueExtra]:
    if extra.position == message.position:
        return Ignored("it is there already")
    event = ExtraMoved(**_event(extra, message.staff.staff_id), position=message.position)
    return Applied(extra.model_copy(update={"position": message.position}), (event,))


def mistakes_in(
    definition: ExtraDefinition, hotel: PropertyDefinition | None, *, has_picture: bool = True
) -> tuple[Mistake, ...]:
    """All mistakes in a definition, those against its property's included. `has_picture`: its picture is there."""
    mistakes = (*mistakes_of(definition), *(_against(hotel, definition) if hotel else ()))
    if has_picture:
        return mistakes
    detail = "the property has no such picture: upload it, and refer to it by the id in the answer"
    return (*mistakes, Mistake(pointer="/picture/picture_id", detail=detail))


def _invalid(message: ExtraDefining | ExtraChange) -> Refused | None:
    mistakes = mistakes_in(message.command.definition, message.property, has_picture=message.has_picture)
    if not mistakes:
        return None
    return Refused(Reason.EXTRA_INVALID, f"The extra has {counted(mistakes)}; nothing was changed.", mistakes)


def _against(hotel: PropertyDefinition, definition: ExtraDefinition) -> tuple[Mistake, ...]:
    """The mistakes of a definition against its property's."""
    found = list[Mistake]()
    currency = definition.unit_price.currency
    if hotel.currencies and currency not in hotel.currencies:
        detail = f"the property's prices are in {', '.join(hotel.currencies)}, not in {currency}"
        found.append(Mistake(pointer="/unit_price/currency", detail=detail))
    alt = definition.picture.alt if definition.picture else {}
    texts = {"/name": definition.name, "/description": definition.description, "/picture/alt": alt}
    for pointer, text in texts.items():
        if hotel.languages and text and hotel.languages[0] not in text:
            detail = f"there is no text in {hotel.languages[0]!r}, the first of the property's languages"
            found.append(Mistake(pointer=pointer, detail=detail))
    return tuple(found)


def _version(command: DefineExtra | ChangeExtra, number: int, now: datetime) -> Version[ExtraDefinition]:
    return Version[ExtraDefinition](
        number=number,
        definition=command.definition,
        at=now,
        by=command.staff.staff_id,
        reason=command.reason,
        origin=command.origin,
    )


def _event(extra: CatalogueExtra, by: str) -> dict[str, str]:
    return {"extra_id": extra.extra_id, "property_id": extra.property_id, "by": by}
