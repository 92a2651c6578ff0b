"""Actions of people on an order, as staff see them: who, what, when and why."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money


class ReviewResolution(StrEnum):
    """The decision on an order under review."""

    ACCEPT = "accept"
    """The guest gets what was ordered: the order is confirmed, if its places are still available."""
    REFUND = "refund"
    """The order is cancelled, and what the PSP holds for it is refunded."""
    SETTLED_OUTSIDE = "settled-outside"
    """The difference was paid or refunded in cash or in the PSP's dashboard: the order stays closed, or confirmed."""


class ActionKind(StrEnum):
    CANCELLED = "cancelled"
    APPROVED = "approved"
    DECLINED = "declined"
    FULFILLED = "fulfilled"
    REVIEW_ACCEPTED = "review accepted"
    REVIEW_REFUNDED = "review refunded"
    REVIEW_SETTLED_OUTSIDE = "review settled outside"


class Role(StrEnum):
    GUEST = "guest"
    STAFF = "staff"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class OrderAction(_Value):
    """One action of a person on an order."""

    action: ActionKind
    at: datetime | None = Field(description="none: unknown, an earlier version did not record it")
    by: str = Field(description="the guest's or the staff member's id, as the signed token says")
    role: Role
    reason: str = ""
    amount: Money | None = Field(default=None, description="settled outside")
    forced: bool = Field(default=False, description="places were held although none were left")


class FulfilledLine(_Value):
    """A line of an order that the guest has received before the others."""

    line: int = Field(description="its number in the order, from 0")
    by: str
    at: datetime


class Direction(StrEnum):
    """The direction of money outside the PSP."""

    TO_GUEST = "to guest"
    FROM_GUEST = "from guest"


class SettledOutside(_Value):
    """Money of an order outside the PSP's records: cash, a bank transfer, or a payment made in the PSP's dashboard."""

    amount: Money
    direction: Direction
    at: datetime
    by: str
    reason: str


class StaffDetails(_Value):
    """The part of an order that only staff see."""

    needs_attention: bool = Field(default=False, description="it is under review, or a refund of it failed")
    refundable: Money | None = Field(default=None, description="what the PSP holds and no refund has claimed")
    review: str | None = Field(default=None, description="why a person must decide; none while no decision is due")
    actions: tuple[OrderAction, ...] = Field(default=(), description="actions of people on the order, the oldest first")
    fulfilled_lines: tuple[FulfilledLine, ...] = Field(default=(), description="lines that were fulfilled one by one")
    settled_outside: tuple[SettledOutside, ...] = Field(
        default=(), description="money that was paid or refunded outside the PSP"
    )
    erased_at: datetime | None = Field(default=None, description="when the order forgot its guest")
    is_to_be_erased: bool = Field(default=False, description="it forgets its guest once it is final")
