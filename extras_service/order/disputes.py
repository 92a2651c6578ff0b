"""Disputes of an order's payment: a record for each, updated by the payment's events."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts.money import Money
from contracts.orders import DisputeStage, DisputeView
from contracts.payments import PaymentDisputeClosed, PaymentDisputed

DisputeEvent = PaymentDisputed | PaymentDisputeClosed

_OPEN = (DisputeStage.INQUIRY, DisputeStage.OPEN)
UNDECIDED = "undecided"
"""The mark of an order with a dispute, or an inquiry, that is open: an index finds these by it."""


class Dispute(BaseModel):
    """One dispute, from the newest event about it."""

    model_config = ConfigDict(frozen=True)

    dispute_id: str
    stage: DisputeStage
    amount: Money | None = None
    """The disputed amount. None in documents of older versions: the whole payment."""
    status: str = ""
    """The PSP's term for the stage."""
    reported_at: datetime | None = None
    is_second_charge: bool = False
    """It concerns a second charge, whose money does not belong to the order."""
    fact_no: int = 0

    @classmethod
    def of(cls, event: DisputeEvent) -> "Dispute":
        """The record of an event."""
        match event:
            case PaymentDisputed(inquiry=inquiry):
                stage = DisputeStage.INQUIRY if inquiry else DisputeStage.OPEN
            case PaymentDisputeClosed(won=won):
                stage = DisputeStage.WON if won else DisputeStage.LOST
        return cls(
            dispute_id=event.dispute_id,
            stage=stage,
            amount=event.amount,
            status=event.status,
            reported_at=event.reported_at,
            is_second_charge=event.is_second_charge,
            fact_no=event.fact_no,
        )

    def is_newer_than(self, known: "Dispute") -> bool:
        """Order by the PSP's time, which a restored payment store does not change; then by number."""
        if self.reported_at is None or known.reported_at is None or self.reported_at == known.reported_at:
            return self.fact_no > known.fact_no
        return self.reported_at > known.reported_at

    def view(self) -> DisputeView:
        """The dispute for staff."""
        return DisputeView.model_validate(self.model_dump(exclude={"fact_no"}))

    def share_of(self, received: Money) -> int:
        """The part of the received amount that is disputed, in hundredths of a minor unit.

        A dispute in another currency counts in full: its amount in ours is known only from the PSP's ledger.
        """
        if self.is_second_charge:
            return 0
        if self.amount is None or self.amount.currency != received.currency:
            return received.in_hundredths
        return self.amount.in_hundredths


def lost_of(disputes: tuple[Dispute, ...], received: Money) -> Money:
    """The amount that the bank has taken back, at most the received amount."""
    lost = sum(dispute.share_of(received) for dispute in disputes if dispute.stage is DisputeStage.LOST)
    return Money.of_hundredths(min(received.in_hundredths, lost), received.currency)


def as_fields(disputes: tuple[Dispute, ...]) -> Mapping[str, Any]:
    """The fields of an order that follow from its disputes. Versions before the records read the lists of ids only."""
    return {
        "disputes": disputes,
        "disputed": _mark(each.stage for each in disputes),
        "open_disputes": tuple(each.dispute_id for each in disputes if each.stage in _OPEN),
        "lost_disputes": tuple(each.dispute_id for each in disputes if each.stage is DisputeStage.LOST),
    }


def with_records(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored order with a record for each dispute. If a version that has only lists of ids wrote it last, these
    determine the disputes' stages."""
    if not any(values.get(name) for name in ("disputes", "open_disputes", "lost_disputes", "disputed")):
        return values  # as nearly all are, and each read of an order comes here
    records = {record["dispute_id"]: record for record in values.get("disputes", ())}
    opened, lost = values.get("open_disputes", ()), values.get("lost_disputes", ())
    for dispute_id in dict.fromkeys((*records, *opened, *lost)):
        record = {"stage": DisputeStage.WON, **records.get(dispute_id, {}), "dispute_id": dispute_id}
        if dispute_id in lost:
            record["stage"] = DisputeStage.LOST
        elif dispute_id in opened and record["stage"] not in _OPEN:
            record["stage"] = DisputeStage.OPEN
        elif dispute_id not in opened and record["stage"] != DisputeStage.WON:
            record["stage"] = DisputeStage.WON
        records[dispute_id] = record
    mark = _mark(record["stage"] for record in records.values())
    return {**values, "disputes": tuple(records.values()), "disputed": mark}


def _mark(stages: Iterable[str]) -> str | None:
    return UNDECIDED if any(stage in _OPEN for stage in stages) else None
