"""The table of decisions on an extra in the catalogue. Pure."""

from datetime import datetime
from typing import assert_never

from chassis.decision import Decision, Ignored, Refused
from contracts.catalogue import ExtraStatus, RetireExtra
from contracts.ids import PropertyId
from contracts.orders import Reason
from extras_service.catalogue import transitions
from extras_service.catalogue.inputs import CatalogueInput, ExtraChange, ExtraDefining, MoveExtra
from extras_service.catalogue.state import CatalogueExtra

NOT_FOUND = Refused(Reason.EXTRA_NOT_FOUND, "There is no such extra.")
_EXISTS = Refused(Reason.EXTRA_EXISTS, "An extra with this id exists: ids are unique over all properties.")
_RETIRED = Refused(Reason.EXTRA_RETIRED, "This extra is retired: define it again to offer it.")

_S = ExtraStatus


def decide(extra: CatalogueExtra | None, message: CatalogueInput, now: datetime) -> Decision[CatalogueExtra]:
    """Decide on `message`."""
    if extra is None:
        return transitions.defined(None, message, now) if isinstance(message, ExtraDefining) else NOT_FOUND
    if extra.property_id != _property_of(message):
        return _EXISTS if isinstance(message, ExtraDefining) else NOT_FOUND
    match extra.status, message:
        case _S.OFFERED, ExtraDefining(command=command):
            return Ignored("it is so already") if command.definition == extra.definition else _EXISTS
        case _S.OFFERED, ExtraChange():
            return transitions.changed(extra, message, now)
        case _S.OFFERED, RetireExtra():
            return transitions.retired(extra, message)
        case _S.OFFERED, MoveExtra():
            return transitions.moved(extra, message)
        case _, ExtraDefining():
            return transitions.defined(extra, message, now)
        case _, ExtraChange():
            return _RETIRED
        case _, RetireExtra():
            return Ignored("it is retired already")
        case _, MoveExtra():
            return Ignored("it is retired")
        case _:
            assert_never(message)


def _property_of(message: CatalogueInput) -> PropertyId:
    match message:
        case ExtraDefining(command=command) | ExtraChange(command=command):
            return command.staff.property_id
        case RetireExtra(staff=staff) | MoveExtra(staff=staff):
            return staff.property_id
        case _:
            assert_never(message)
