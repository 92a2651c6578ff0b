"""The messages of a property: the hotel whose extras are sold."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.catalogue import Origin, VersionView
from contracts.ids import PropertyId
from contracts.message import Command, Event, Query, Reply
from contracts.orders import Staff
from contracts.psp_accounts import DEFAULT_ACCOUNT


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Theme(_Value):
    """Colours of the guest's page, as `#rrggbb`. None: the page's own."""

    accent: str | None = None
    background: str | None = None


class PropertyDefinition(_Value):
    """A property as its owner writes it. Its rules: extras_service/property/rules.py."""

    name: dict[str, str] = Field(description="by language tag")
    time_zone: str = Field(default="UTC", description="IANA name; its days, cut-offs and closings follow it")
    currencies: tuple[str, ...] = Field(default=(), description="of its prices (ISO 4217); none means any")
    languages: tuple[str, ...] = Field(
        default=(), description="language tags of its guests; each name has a text in the first, the fallback"
    )
    vat_id: str = Field(default="", description="for receipts")
    address: str = Field(default="", description="for receipts; lines are separated by line breaks")
    contact_email: str = ""
    contact_phone: str = ""
    cancel_until: timedelta | None = Field(
        default=None, description="how long before the first ordered day guests may cancel; none: the service's setting"
    )
    pay_within: timedelta | None = Field(
        default=None, description="how long an order waits for its payment; none: the service's setting"
    )
    theme: Theme = Theme()
    psp_account: str = Field(
        default=DEFAULT_ACCOUNT, description="the name of the account at the PSP that is charged for new orders"
    )


class PropertyView(_Value):
    """A property as its staff see it."""

    property_id: PropertyId
    version: int = Field(description="to be sent with a change of it")
    definition: PropertyDefinition
    versions: tuple[VersionView, ...] = Field(description="the newest last; the oldest are forgotten")


class PropertyCommand(Command):
    """A change of a property by its own staff."""

    property_id: PropertyId
    staff: Staff
    reason: str = ""
    definition: PropertyDefinition


class DefineProperty(PropertyCommand):
    """A property is added."""

    kind: Literal["properties.define-property.v1"] = "properties.define-property.v1"
    origin: Origin = Origin.STAFF


class ChangeProperty(PropertyCommand):
    """Staff replace the definition of their property."""

    kind: Literal["properties.change-property.v1"] = "properties.change-property.v1"
    version: int = Field(description="the version that the change was made on; refused if there is a newer one")
    origin: Origin = Origin.STAFF


class PropertyEvent(Event):
    """A fact about one property."""

    property_id: PropertyId
    by: str
    version: int
    definition: PropertyDefinition


class PropertyDefined(PropertyEvent):
    """A property was added."""

    kind: Literal["properties.property-defined.v1"] = "properties.property-defined.v1"


class PropertyChanged(PropertyEvent):
    """A property has a new definition. Orders placed before keep their deadlines."""

    kind: Literal["properties.property-changed.v1"] = "properties.property-changed.v1"


class GetProperty(Query):
    kind: Literal["properties.get-property.v1"] = "properties.get-property.v1"
    property_id: PropertyId


class CheckProperty(Query):
    """Which rules a definition breaks. Nothing is changed."""

    kind: Literal["properties.check-property.v1"] = "properties.check-property.v1"
    property_id: PropertyId
    definition: PropertyDefinition


class PropertyReply(Reply):
    kind: Literal["properties.property-reply.v1"] = "properties.property-reply.v1"
    property: PropertyView
