"""The inputs of the decisions on a contact."""

from dataclasses import dataclass, field
from datetime import date, datetime

from contracts.ids import GuestId, PropertyId
from contracts.mail import ContactSource, ForgetContact


@dataclass(frozen=True, slots=True)
class KeepAddress:
    """`KeepContact` with its address unsealed."""

    property_id: PropertyId
    guest_id: GuestId
    source: ContactSource
    at: datetime
    email: str = field(repr=False)
    language: str | None
    stay_to: date


@dataclass(frozen=True, slots=True)
class RetentionPassed:
    """Guests whose last stay ended before this day are forgotten."""

    before: date


ContactInput = KeepAddress | ForgetContact | RetentionPassed
