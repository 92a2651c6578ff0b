"""Findings of an audit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a finding, for programs."""

    UNKNOWN_CHARGE = "unknown_charge"
    OTHER_ACCOUNT = "other_account"
    CURRENCY = "currency"
    UNBALANCED = "unbalanced"
    UNSETTLED = "unsettled"
    DOUBLE_REFUND = "double_refund"
    FAILED_REFUND = "failed_refund"
    WAITING_REFUND = "waiting_refund"
    LOST_REFUND = "lost_refund"
    UNKNOWN_DISPUTE = "unknown_dispute"
    UNREADABLE = "unreadable"
    RECEIPT_NUMBER = "receipt_number"
    RECEIPT_SUM = "receipt_sum"
    REVIEW = "review"
    """Open: awaits a decision by staff."""
    DISPUTE = "dispute"
    """Open: awaits a decision by the guest's bank."""

    @property
    def is_open_question(self) -> bool:
        """Whether it only waits for a pending decision, and so is not a problem."""
        return self in (Kind.REVIEW, Kind.DISPUTE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding about an order's money, with the ids to look up.

    `amount` is in major units of `currency`; `since` is set if the time is known.
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
    """The result of an audit: its scope, the findings, and the pending decisions."""

    orders: int
    payments: int
    psp_payments: int
    findings: tuple[Finding, ...]
    open_questions: tuple[Finding, ...] = ()
    since: datetime | None = None
    by_account: Mapping[str, int] = field(default_factory=dict)
    """The payments at the PSP by the name of their account."""
