"""What is known of an order's postings, in one document per order. It holds nothing of a guest. Pure.

The folio itself says what was posted: every attempt looks there first. The ledger keeps two attempts from working at
once, remembers under which Idempotency-Key each posting is to be asked for, and answers repeated webhooks without a
call to Apaleo.
"""

from datetime import datetime
from typing import Self

from pydantic import Field

from chassis.decision import State
from chassis.keys import joined, short_digest
from connectors.apaleo.postings import AnyPosting
from contracts.ids import OrderId, PropertyId


class Ledger(State):
    """The postings of one order."""

    order_id: OrderId
    property_id: PropertyId
    created_at: datetime
    tries: dict[str, int] = Field(default_factory=dict)
    """By step, of those that were begun: which key is used. A key's answer may be replayed, also that it failed."""
    booked: tuple[str, ...] = ()
    """Steps that are on a folio."""
    used_at: datetime | None = None
    """When the last attempt began."""
    held_until: datetime | None = None
    """An attempt is under way; when it has ended by then without a word, its process has died."""

    @property
    def summary(self) -> str:
        return f"{len(self.booked)} of {len(self.tries)} postings booked"

    def is_booked(self, posting: AnyPosting) -> bool:
        return posting.step in self.booked

    def is_held(self, now: datetime) -> bool:
        return self.held_until is not None and self.held_until > now

    def may_go(self, before: datetime) -> bool:
        """Whether all that was begun is booked, and no attempt was made since. The others' keys are still needed."""
        return self.used_at is not None and self.used_at < before and self.tries.keys() <= set(self.booked)

    def held(self, now: datetime, until: datetime) -> Self:
        return self.model_copy(update={"used_at": now, "held_until": until})

    def released(self) -> Self:
        return self.model_copy(update={"held_until": None})

    def begun(self, posting: AnyPosting) -> Self:
        """It is about to be asked for. Asked for before, and not answered: under the same key again."""
        return self.model_copy(update={"tries": {posting.step: 1, **self.tries}})

    def failed(self, posting: AnyPosting) -> Self:
        """Apaleo has answered that it did not post it. Under this key it might only repeat that."""
        return self.model_copy(update={"tries": {**self.tries, posting.step: self.tries.get(posting.step, 0) + 1}})

    def with_booked(self, posting: AnyPosting) -> Self:
        if self.is_booked(posting):
            return self
        return self.model_copy(update={"booked": (*self.booked, posting.step)})

    def key_of(self, posting: AnyPosting) -> str:
        """The Idempotency-Key of the posting, from the business alone."""
        tries = self.tries.get(posting.step, 1)
        named = joined(self.property_id, self.order_id, posting.reference, posting.step, str(tries))
        return f"bellhop-{short_digest(named)}"
