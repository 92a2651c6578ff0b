"""The catalogue's messages: staff define, change, retire and reorder a property's extras."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import ExtraId, PropertyId
from contracts.message import Command, Event, Query, Reply
from contracts.offers import ExtraDefinition, Mistake
from contracts.orders import Staff


class Origin(StrEnum):
    """Where a version comes from."""

    STAFF = "staff"
    FILE = "file"
    """The catalogue file: at the service's start, or by `bellhop catalogue import`."""


class ExtraStatus(StrEnum):
    OFFERED = "offered"
    RETIRED = "retired"
    """No longer in the catalogue. Orders keep what they have of it."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class VersionView(_Value):
    """One version of a definition: by whom, when and why."""

    version: int
    at: datetime
    by: str = Field(description="the staff member's id, as the signed token says")
    reason: str = ""
    origin: Origin


class StaffExtraView(_Value):
    """One extra as staff see it."""

    extra_id: ExtraId
    property_id: PropertyId
    status: ExtraStatus
    version: int = Field(description="to be sent with a change of it")
    position: int = Field(description="its place in the list, the least first")
    definition: ExtraDefinition
    changed_since_import: bool = Field(description="staff changed it after the last import of the catalogue file")
    versions: tuple[VersionView, ...] = Field(description="the newest last; the oldest are forgotten")


# Commands


class ExtraCommand(Command):
    """A change of one extra by staff of its property."""

    extra_id: ExtraId
    staff: Staff
    reason: str = ""


class DefineExtra(ExtraCommand):
    """Staff add an extra to their property's catalogue, or one again that was retired."""

    kind: Literal["catalogue.define-extra.v1"] = "catalogue.define-extra.v1"
    definition: ExtraDefinition
    position: int | None = Field(default=None, description="none: the last")
    origin: Origin = Origin.STAFF


class ChangeExtra(ExtraCommand):
    """Staff replace the definition of an extra."""

    kind: Literal["catalogue.change-extra.v1"] = "catalogue.change-extra.v1"
    version: int = Field(description="the version that the change was made on; refused if there is a newer one")
    definition: ExtraDefinition
    origin: Origin = Origin.STAFF


class RetireExtra(ExtraCommand):
    """Staff take an extra out of the catalogue. Orders keep it."""

    kind: Literal["catalogue.retire-extra.v1"] = "catalogue.retire-extra.v1"
    version: int


class ReorderExtras(Command):
    """Staff put the extras of their property into this order; those not named follow in theirs."""

    kind: Literal["catalogue.reorder-extras.v1"] = "catalogue.reorder-extras.v1"
    staff: Staff
    extra_ids: tuple[ExtraId, ...]


# Events


class ExtraEvent(Event):
    """A fact about one extra."""

    extra_id: ExtraId
    property_id: PropertyId
    by: str


class ExtraDefined(ExtraEvent):
    """An extra was added to the catalogue."""

    kind: Literal["catalogue.extra-defined.v1"] = "catalogue.extra-defined.v1"
    version: int
    definition: ExtraDefinition


class ExtraChanged(ExtraEvent):
    """An extra has a new definition. Orders keep the version that they were priced by."""

    kind: Literal["catalogue.extra-changed.v1"] = "catalogue.extra-changed.v1"
    version: int
    definition: ExtraDefinition


class ExtraRetired(ExtraEvent):
    """An extra was taken out of the catalogue."""

    kind: Literal["catalogue.extra-retired.v1"] = "catalogue.extra-retired.v1"
    version: int


class ExtraMoved(ExtraEvent):
    """An extra has another place in the list."""

    kind: Literal["catalogue.extra-moved.v1"] = "catalogue.extra-moved.v1"
    position: int


# Queries and replies


class ListCatalogue(Query):
    """All extras of a property for its staff, the retired ones included."""

    kind: Literal["catalogue.list-catalogue.v1"] = "catalogue.list-catalogue.v1"
    property_id: PropertyId


class CheckExtra(Query):
    """Which rules a definition breaks. Nothing is changed."""

    kind: Literal["catalogue.check-extra.v1"] = "catalogue.check-extra.v1"
    property_id: PropertyId
    definition: ExtraDefinition


class MistakesReply(Reply):
    """All mistakes in a definition; none: it may be offered."""

    kind: Literal["catalogue.mistakes-reply.v1"] = "catalogue.mistakes-reply.v1"
    mistakes: tuple[Mistake, ...]


class CatalogueReply(Reply):
    kind: Literal["catalogue.catalogue-reply.v1"] = "catalogue.catalogue-reply.v1"
    extras: tuple[StaffExtraView, ...]


class ExtraReply(Reply):
    kind: Literal["catalogue.extra-reply.v1"] = "catalogue.extra-reply.v1"
    extra: StaffExtraView
