"""What the guest's bank does with an order's money, as the payment reports it: a record for each dispute."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts.money import Money
from contracts.orders import DisputeStage, DisputeView
from contracts.payments import PaymentDisputeClosed, PaymentDisputed

DisputeEvent = PaymentDisputed | PaymentDisputeClosed

_OPEN = (DisputeStage.INQUIRY, DisputeStage.OPEN)


class Dispute(BaseModel):
    """One dispute, as the newest fact about it says."""

    model_config = ConfigDict(frozen=True)

    dispute_id: str
    stage: DisputeStage
    amount: Money | None = None
    """What is disputed. None in what older versions wrote: then it is all that was paid."""
    status: str = ""
    """The PSP's own word for the stage."""
    reported_at: datetime | None = None
    is_second_charge: bool = False
    """About a charge beside the one that paid for the order: its money is not the order's."""
    fact_no: int = 0

    @classmethod
    def of(cls, event: DisputeEvent) -> "Dispute":
        """The record of what an event says."""
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
        """By the PSP's time, which a payment store that went back to a backup does not change; then by number."""
        if self.reported_at is None or known.reported_at is None or self.reported_at == known.reported_at:
            return self.fact_no > known.fact_no
        return self.reported_at > known.reported_at

    def view(self) -> DisputeView:
        """The dispute as staff see it."""
        return DisputeView.model_validate(self.model_dump(exclude={"fact_no"}))

    def share_of(self, received: Money) -> int:
        """How much of what was received this dispute is about, in hundredths of a minor unit.

        In another currency it counts as all: what it takes of ours is only known from the PSP's books.
        """
        if self.is_second_charge:
            return 0
        if self.amount is None or self.amount.currency != received.currency:
            return received.in_hundredths
        return self.amount.in_hundredths


def lost_of(disputes: tuple[Dispute, ...], received: Money) -> Money:
    """What the bank has taken back of what was received: at most all of it."""
    lost = sum(dispute.share_of(received) for dispute in disputes if dispute.stage is DisputeStage.LOST)
    return Money.of_hundredths(min(received.in_hundredths, lost), received.currency)


def as_fields(disputes: tuple[Dispute, ...]) -> Mapping[str, Any]:
    """The fields of an order that follow from its disputes. Versions before the records read the lists of ids only."""
    return {
        "disputes": disputes,
        "open_disputes": tuple(each.dispute_id for each in disputes if each.stage in _OPEN),
        "lost_disputes": tuple(each.dispute_id for each in disputes if each.stage is DisputeStage.LOST),
    }


def with_records(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """An order as it is stored, with a record for each dispute. A version that only has the lists of ids may have
    written it last: then these say where a dispute stands."""
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
    return {**values, "disputes": tuple(records.values())}
