"""The property's table of decisions. Pure."""

from datetime import datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored, Refused
from contracts.catalogue import Origin
from contracts.orders import Reason
from contracts.properties import ChangeProperty, DefineProperty, PropertyChanged, PropertyDefined, PropertyDefinition
from extras_service.property.inputs import PropertyInput
from extras_service.property.rules import mistakes_of
from extras_service.property.state import Property
from extras_service.versions import Version, counted, followed_by, no_change

NOT_FOUND = Refused(Reason.PROPERTY_NOT_FOUND, "There is no such property.")
_EXISTS = Refused(Reason.PROPERTY_EXISTS, "This property is defined already: change it.")


def decide(hotel: Property | None, message: PropertyInput, now: datetime) -> Decision[Property]:
    """Decide on `message`."""
    if message.staff.property_id != message.property_id:
        return NOT_FOUND
    match message:
        case DefineProperty():
            if hotel is None:
                return _invalid(message.definition) or _defined(message, now)
            return Ignored("it is so already") if message.definition == hotel.definition else _EXISTS
        case ChangeProperty():
            if hotel is None:
                return NOT_FOUND
            unchanged = no_change(hotel.current, message.version, message.definition)
            return unchanged or _invalid(message.definition) or _changed(hotel, message, now)
        case _:
            assert_never(message)


def _invalid(definition: PropertyDefinition) -> Refused | None:
    mistakes = mistakes_of(definition)
    if not mistakes:
        return None
    return Refused(Reason.PROPERTY_INVALID, f"The property has {counted(mistakes)}; nothing was changed.", mistakes)


def _defined(command: DefineProperty, now: datetime) -> Applied[Property]:
    hotel = Property(
        property_id=command.property_id,
        created_at=now,
        versions=(_version(command, 1, now),),
        imported=command.definition if command.origin is Origin.FILE else None,
    )
    event = PropertyDefined(
        property_id=command.property_id, by=command.staff.staff_id, version=1, definition=command.definition
    )
    return Applied(hotel, (event,))


def _changed(hotel: Property, command: ChangeProperty, now: datetime) -> Applied[Property]:
    newest = _version(command, hotel.current.number + 1, now)
    imported = command.definition if command.origin is Origin.FILE else hotel.imported
    versions = {"versions": followed_by(hotel.versions, newest), "imported": imported}
    changed = hotel.model_copy(update=versions | {"earlier_accounts": hotel.psp_accounts})
    event = PropertyChanged(
        property_id=hotel.property_id, by=newest.by, version=newest.number, definition=command.definition
    )
    return Applied(changed, (event,))


def _version(command: PropertyInput, number: int, now: datetime) -> Version[PropertyDefinition]:
    return Version[PropertyDefinition](
        number=number,
        definition=command.definition,
        at=now,
        by=command.staff.staff_id,
        reason=command.reason,
        origin=command.origin,
    )
