"""What people do to an order, as staff see it: who, what, when and why."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money


class ReviewResolution(StrEnum):
    """What a person decides about an order whose money does not match."""

    ACCEPT = "accept"
    """The guest gets what was ordered: the order is confirmed, if its places can still be had."""
    REFUND = "refund"
    """The order is cancelled, and what the PSP holds for it is refunded."""
    SETTLED_OUTSIDE = "settled-outside"
    """The difference was paid or refunded in cash or in the PSP's dashboard: the order stays closed, or confirmed."""


class ActionKind(StrEnum):
    """What a person did."""

    CANCELLED = "cancelled"
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
    """One thing a person did to an order."""

    action: ActionKind
    at: datetime | None = Field(description="none: not known; an earlier version did not note it")
    by: str = Field(description="the guest's or the staff member's id, as the signed token says")
    role: Role
    reason: str = ""
    amount: Money | None = Field(default=None, description="settled outside")
    forced: bool = Field(default=False, description="places were taken although none were left")


class Direction(StrEnum):
    """Which way money went outside the PSP."""

    TO_GUEST = "to guest"
    FROM_GUEST = "from guest"


class SettledOutside(_Value):
    """Money of an order that went past the PSP: in cash, by bank transfer, or by hand in the PSP's dashboard."""

    amount: Money
    direction: Direction
    at: datetime
    by: str
    reason: str


class StaffDetails(_Value):
    """What staff see of an order besides what its guest sees."""

    review: str | None = Field(default=None, description="why a person must decide; none while no decision is due")
    actions: tuple[OrderAction, ...] = Field(default=(), description="what people did to it, the oldest first")
    settled_outside: tuple[SettledOutside, ...] = Field(default=(), description="money that went past the PSP")
