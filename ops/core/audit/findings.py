"""What an audit finds."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong, or open, for programs."""

    UNKNOWN_CHARGE = "unknown_charge"
    CURRENCY = "currency"
    UNBALANCED = "unbalanced"
    UNSETTLED = "unsettled"
    DOUBLE_REFUND = "double_refund"
    FAILED_REFUND = "failed_refund"
    WAITING_REFUND = "waiting_refund"
    UNKNOWN_DISPUTE = "unknown_dispute"
    UNREADABLE = "unreadable"
    REVIEW = "review"
    """Open: a person is asked."""
    DISPUTE = "dispute"
    """Open: the guest's bank decides."""

    @property
    def is_open_question(self) -> bool:
        """Whether it waits for a decision that was asked for already: no finding."""
        return self in (Kind.REVIEW, Kind.DISPUTE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one order's money, with the ids to look at.

    `amount` is how much it is about, in major units of `currency`; `since` is since when, where that is known.
    """

    kind: Kind
    order_id: str
    payment_id: str
    psp_references: tuple[str, ...]
    problem: str
    amount: Decimal | None = None
    currency: str = ""
    since: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """For programs; the amount as text, exactly."""
        amount = None if self.amount is None else f"{self.amount:f}"
        since = self.since.isoformat() if self.since else None
        return {**asdict(self), "amount": amount, "since": since}


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, what is wrong with it, and which decisions are waited for."""

    orders: int
    payments: int
    psp_payments: int
    findings: tuple[Finding, ...]
    open_questions: tuple[Finding, ...] = ()
    since: datetime | None = None
