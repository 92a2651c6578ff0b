"""The inputs of the decisions on a contact."""

from dataclasses import dataclass, field
from datetime import datetime

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


ContactInput = KeepAddress | ForgetContact
