"""The state of a guest's contact."""

import hashlib
import json
from datetime import date, datetime

from pydantic import Field

from chassis.decision import State
from contracts.ids import GuestId, PropertyId
from contracts.mail import ContactSource


class GuestContact(State):
    """A guest's address, or that there is none any more. The only document that holds one."""

    property_id: PropertyId
    guest_id: GuestId
    """Empty once it was erased, on request or by age: the document's id is a digest."""
    email: str | None = Field(repr=False)
    """None: removed. The document stays, so that no older command brings the address back."""
    language: str | None = None
    source: ContactSource
    stay_to: date | None = None
    """The last day of departure that is known of this guest; None once the guest was erased."""
    created_at: datetime
    asked_at: datetime
    """When its present content was asked for."""

    @property
    def summary(self) -> str:
        return "address known" if self.email else "no address"


def contact_id_of(property_id: PropertyId, guest_id: GuestId) -> str:
    """The document of a guest of a property."""
    named = json.dumps([property_id, guest_id])
    return f"contact_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
