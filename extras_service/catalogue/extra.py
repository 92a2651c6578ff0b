"""An extra of a property: when it can be had, and for how much. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chassis.decision import Refused
from contracts.ids import ExtraId, PropertyId
from contracts.money import Money, unpayable
from contracts.offers import ExtraDefinition, ExtraView, Weekday
from contracts.orders import Reason

_WEEKDAYS = tuple(Weekday)


class Extra(ExtraDefinition):
    """One extra of one property, as it is now."""

    extra_id: ExtraId
    property_id: PropertyId
    time_zone: str = "UTC"
    """Of its property."""
    position: int = 0
    """Its place in the property's list, the least first."""
    version: int | None = None
    """None: from a catalogue of an older version."""

    @property
    def readable(self) -> str:
        """Its name for use in a sentence."""
        return self.name.get("en") or next(iter(self.name.values()))

    @property
    def is_on_offer(self) -> bool:
        """Whether it can be ordered. Prices that cannot be paid come from catalogues of older versions."""
        return self.active and unpayable(self.unit_price) is None

    @property
    def slot_times(self) -> tuple[str, ...]:
        return tuple(sorted(slot.at for slot in self.slots))

    def places(self, slot: str | None) -> int | None:
        """How many there are on a day, or in a slot of it. None means enough; a slot no longer offered has 0."""
        if slot is None:
            return self.daily_limit
        return next((known.places for known in self.slots if known.at == slot), 0)

    def price_on(self, day: date) -> Money:
        """The price of one unit on a day."""
        in_season = (season for season in self.seasons if season.first_day <= day <= season.last_day)
        return next((season.unit_price for season in in_season), self.unit_price)

    def today(self, now: datetime) -> date:
        """The date at its property."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def begins(self, day: date, slot: str | None = None) -> datetime:
        """When a day, or a slot of it, begins at its property, in UTC. A local time that a clock change leaves out is
        read as if the clocks had not changed yet; of one that it repeats, the first counts."""
        at = time.fromisoformat(slot) if slot else time()
        return datetime.combine(day, at, ZoneInfo(self.time_zone)).astimezone(UTC)

    def view(self) -> ExtraView:
        shown = self.model_dump(exclude={"active", "daily_limit", "slots", "version"})
        return ExtraView.model_validate(shown | {"slots": self.slot_times})

    def not_had_on(self, day: date | None, slot: str | None) -> Refused | None:
        """The refusal if it is not offered on this day, or at this time of it. None: any day of the stay."""
        name = self.readable
        if day is None:
            return self._no_slot(slot)
        if day in self.blackout_days:
            return Refused(Reason.DAY_BLACKED_OUT, f"{name} is not offered on {day}; choose another day.")
        weekday = _WEEKDAYS[day.weekday()]
        if self.weekdays and weekday not in self.weekdays:
            offered = ", ".join(each.name.capitalize() for each in _WEEKDAYS if each in self.weekdays)
            return Refused(Reason.WEEKDAY_CLOSED, f"{name} is offered on {offered}; {day} is a {day:%A}.")
        return self._out_of_season(day) or self._no_slot(slot)

    def _no_slot(self, slot: str | None) -> Refused | None:
        times = self.slot_times
        if slot in times if times else slot is None:
            return None
        if not times:
            return Refused(Reason.SLOT_UNKNOWN, f"{self.readable} has no times to choose from; order it for a day.")
        return Refused(Reason.SLOT_UNKNOWN, f"Choose a time for {self.readable}: {', '.join(times)}.")

    def _out_of_season(self, day: date) -> Refused | None:
        if self.active_from is not None and day < self.active_from:
            return Refused(Reason.OUT_OF_SEASON, f"{self.readable} is offered from {self.active_from} on.")
        if self.active_until is not None and day > self.active_until:
            return Refused(Reason.OUT_OF_SEASON, f"{self.readable} is offered until {self.active_until}.")
        return None

    def too_late(self, day: date | None, slot: str | None, now: datetime) -> Refused | None:
        """The refusal if, by the time at the property, it is too late, or too early in the year, to order it."""
        today = self.today(now)
        if day is None:
            return self._out_of_season(today)
        if day < today:
            return Refused(Reason.DAY_GONE_BY, f"{day} is over at your hotel; choose another day for {self.readable}.")
        if slot is None and not self.lead_hours:
            return None  # until the day is over
        until = self.begins(day, slot) - timedelta(hours=self.lead_hours)
        if now < until:
            return None
        return Refused(
            Reason.LEAD_TIME_PASSED,
            f"{self.readable} on {day}{f' at {slot}' if slot else ''} could be ordered until "
            f"{until.astimezone(ZoneInfo(self.time_zone)):%d %B %Y %H:%M} at your hotel; choose a later one.",
        )


Catalogue = Mapping[str, Extra]
"""Extras by id."""
