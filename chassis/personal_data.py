"""Which stored fields say something of a guest, and what their erasure leaves. One table for orders, payments, dead
letters and plans: a field that is added to it is erased everywhere (docs/privacy.md; docs/decisions/0048-erasure.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chassis.keys import joined

ERASED = "(erased)"
"""What stands where a text was."""


class Treatment(StrEnum):
    """What an erasure leaves of a field."""

    NAMES_GUEST = "the pseudonym"
    """It names the guest."""
    NAMES_GUEST_AND_PROPERTY = "property and pseudonym"
    NAMES_A_PERSON = "the pseudonym, where it names the guest"
    """The guest, or a member of staff, who stays: the books say who moved money."""
    TEXT = "`(erased)`"
    """Typed by a person, or written for the guest."""
    SEALED = "nothing"
    """Readable with a key that only one service has."""
    SEALED_IN_A_REQUEST = "an empty text"
    """A request to the PSP that had an address is not one without: its idempotency key may stand for the first."""


FIELDS: Mapping[str, Treatment] = {
    "guest_id": Treatment.NAMES_GUEST,
    "reservation_id": Treatment.NAMES_GUEST,
    "guest_key": Treatment.NAMES_GUEST_AND_PROPERTY,
    "open_of": Treatment.NAMES_GUEST_AND_PROPERTY,
    "by": Treatment.NAMES_A_PERSON,
    "asked_by": Treatment.NAMES_A_PERSON,
    "reason": Treatment.TEXT,
    "payment_failure": Treatment.TEXT,
    "declined_because": Treatment.TEXT,
    "closed_by": Treatment.TEXT,
    "sealed_receipt_email": Treatment.SEALED_IN_A_REQUEST,
    "sealed_email": Treatment.SEALED,
    "email": Treatment.SEALED,
}
"""By the field's name, in every state and message about an order."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Of one guest of one property: `pseudonym` stands for them afterwards and leads back to no person."""

    guest_id: str
    property_id: str
    pseudonym: str

    def of(self, value: Any) -> Any:
        """What it leaves of a state or a message in the form of JSON. Applied again, it changes nothing."""
        match value:
            case dict():
                return {name: self._field(name, inner) for name, inner in value.items()}
            case list() | tuple():
                return [self.of(inner) for inner in value]
            case _:
                return value

    def _field(self, name: str, value: Any) -> Any:
        treatment = FIELDS.get(name)
        if treatment is None or not isinstance(value, str) or not value:
            return self.of(value)
        match treatment:
            case Treatment.NAMES_GUEST:
                return self.pseudonym
            case Treatment.NAMES_GUEST_AND_PROPERTY:
                return joined(self.property_id, self.pseudonym)
            case Treatment.NAMES_A_PERSON:
                return self.pseudonym if value == self.guest_id else value
            case Treatment.TEXT:
                return ERASED
            case Treatment.SEALED:
                return None
            case Treatment.SEALED_IN_A_REQUEST:
                return ""

    def concerns(self, value: Any) -> bool:
        """Whether a message in the form of JSON names the guest, at this property or at none."""
        match value:
            case dict():
                is_here = value.get("property_id", self.property_id) == self.property_id
                is_guest = value.get("guest_id") == self.guest_id
                return (is_here and is_guest) or any(map(self.concerns, value.values()))
            case list() | tuple():
                return any(map(self.concerns, value))
            case _:
                return False


def apart_from_guest(value: Any) -> Any:
    """A state or a message in the form of JSON without the fields above: the same before and after any erasure."""
    match value:
        case dict():
            return {name: apart_from_guest(inner) for name, inner in value.items() if name not in FIELDS}
        case list() | tuple():
            return [apart_from_guest(inner) for inner in value]
        case _:
            return value
