"""What is offered: an extra as staff write it, and as guests see it."""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contracts.ids import ExtraId, PropertyId
from contracts.money import Money


class PriceUnit(StrEnum):
    """The unit that an extra's price is for."""

    PIECE = "piece"
    PERSON = "person"
    NIGHT = "night"
    """The price times the nights of the stay, for each of the quantity."""
    STAY = "stay"
    """Once for the whole stay, for each of the quantity."""


class Weekday(StrEnum):
    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


SLOT_FORM = 'a time is written with hours and minutes, in quotes: "15:00"'


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Slot(_Value):
    """A time of the day at which an extra can be had, with the number of its places on each day."""

    at: str = Field(description="local time at the property, `15:00`")
    places: int

    @field_validator("at", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        # YAML reads 15:00 without quotes as the number 900.
        if not isinstance(value, str):
            raise ValueError(SLOT_FORM)  # pydantic reports a ValueError with its place
        return value


class Season(_Value):
    """A price that replaces `unit_price` on these days, the first and the last included."""

    first_day: date
    last_day: date
    unit_price: Money


class Picture(_Value):
    """A picture of an extra."""

    picture_id: str = Field(description="as the upload answered: the picture's digest")
    alt: dict[str, str] = Field(description="what it shows, by language tag, for those who do not see it")


class Offer(_Value):
    """What guests and staff both see of an extra."""

    name: dict[str, str] = Field(description="by language tag")
    description: dict[str, str] = Field(default_factory=dict, description="by language tag")
    picture: Picture | None = None
    category: str
    unit_price: Money
    max_quantity: int = Field(description="the highest quantity of one order (with `needs_day`: and day)")
    needs_day: bool = Field(default=False, description="whether a guest picks a day of the stay for it")
    price_per: PriceUnit = Field(default=PriceUnit.PIECE, description="the unit of `unit_price`")
    vat_rate: int | None = Field(
        default=None,
        description="VAT contained in the price, in hundredths of a percent (1000 is 10 %); none: not stated",
    )
    needs_approval: bool = Field(
        default=False, description="the hotel approves an order of it before the guest is charged"
    )
    lead_hours: int = Field(
        default=0, description="how many hours before the day, or the slot, begins at the property it must be ordered"
    )
    weekdays: tuple[Weekday, ...] = Field(default=(), description="the days of the week it is offered; none means all")
    blackout_days: tuple[date, ...] = Field(default=(), description="days on which it is not offered")
    seasons: tuple[Season, ...] = Field(default=(), description="prices of some days; without a day: by the arrival")
    active_from: date | None = Field(default=None, description="the first day it can be had, by the property's date")
    active_until: date | None = Field(default=None, description="the last day it can be had")


class ExtraDefinition(Offer):
    """An extra as staff write it. Its rules are checked as a whole: extras_service/catalogue/rules.py."""

    daily_limit: int | None = Field(default=None, description="how many there are on a day; none means enough")
    slots: tuple[Slot, ...] = Field(default=(), description="times of the day, each with places; needs `needs_day`")
    active: bool = Field(default=True, description="false: not on offer for now")


class ExtraView(Offer):
    """One extra of a property's catalogue, as guests see it."""

    extra_id: ExtraId
    property_id: PropertyId
    time_zone: str = Field(default="UTC", description="of its property (IANA): by it, days begin and have gone by")
    slots: tuple[str, ...] = Field(default=(), description="times of the day, of which a guest picks one: `15:00`")
    position: int = Field(default=0, description="its place in the list, the least first")


class Mistake(_Value):
    """One mistake in a definition."""

    pointer: str = Field(description="a JSON pointer into the definition: `/slots/0/at`")
    detail: str
