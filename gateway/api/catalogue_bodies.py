"""Request bodies of the catalogue's and the property's routes."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from contracts.offers import ExtraDefinition
from contracts.properties import PropertyDefinition
from gateway.api import examples

_EXTRA_ID = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,99}$"

ExtraIdPath = Annotated[str, Path(pattern=_EXTRA_ID)]
_Reason = Annotated[str, Field(max_length=500, description="kept with the version")]


class NewExtraRequest(BaseModel):
    """An extra to add to the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"extra_id": "alm-private-spa", "definition": examples.DEFINITION}]}
    )

    extra_id: str = Field(pattern=_EXTRA_ID, description="unique over all properties; it cannot be changed later")
    definition: ExtraDefinition
    reason: _Reason = ""


class ExtraRequest(BaseModel):
    """The new definition of an extra."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": 1, "definition": examples.DEFINITION, "reason": "The new price list."}]
        }
    )

    version: int = Field(description="the version that the change was made on")
    definition: ExtraDefinition
    reason: _Reason = ""


class RetireRequest(BaseModel):
    """The version that is retired, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "reason": "The spa is closed."}]})

    version: int
    reason: _Reason = ""


class OrderOfExtras(BaseModel):
    """Extras in the order in which guests see them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"extra_ids": ["alm-private-spa", "alm-breakfast"]}]})

    extra_ids: tuple[str, ...] = Field(max_length=1000)


class PropertyRequest(BaseModel):
    """The definition of the property."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"version": 1, "definition": examples.PROPERTY["definition"], "reason": "A new address."}]
        }
    )

    version: int | None = Field(default=None, description="the version that the change was made on; none: define it")
    definition: PropertyDefinition
    reason: _Reason = ""
