"""The inputs of decisions on an extra."""

from dataclasses import dataclass

from contracts.catalogue import ChangeExtra, DefineExtra, RetireExtra
from contracts.orders import Staff
from contracts.properties import PropertyDefinition


@dataclass(frozen=True, slots=True)
class ExtraDefining:
    """DefineExtra with the data needed to decide on it."""

    command: DefineExtra
    property: PropertyDefinition | None
    """Of the command's property. None: it is not defined."""
    last_position: int = 0
    """Where the property's list ends."""
    has_picture: bool = True
    """Whether the property has the picture that the definition refers to, if it does."""


@dataclass(frozen=True, slots=True)
class ExtraChange:
    """ChangeExtra with the property's definition."""

    command: ChangeExtra
    property: PropertyDefinition | None
    has_picture: bool = True


@dataclass(frozen=True, slots=True)
class MoveExtra:
    """Staff put the extra to this place in the list."""

    staff: Staff
    position: int


CatalogueInput = ExtraDefining | ExtraChange | RetireExtra | MoveExtra
