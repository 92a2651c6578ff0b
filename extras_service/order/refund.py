"""A refund as its order knows it: what was asked, by whom, what became of it, how a failed one was settled."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts.ids import RefundId
from contracts.money import Money
from contracts.orders import RefundSettlement, RefundView
from contracts.payments import RefundStage

_PROGRESS = (RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED, RefundStage.FAILED)
"""A refund moves forward in this order only: facts may overtake each other."""


class RequestedRefund(BaseModel):
    """A refund this order has asked for, or has heard of from the PSP."""

    model_config = ConfigDict(frozen=True)

    refund_id: RefundId
    amount: Money
    reason: str
    stage: RefundStage = RefundStage.REQUESTED
    asked_by: str = ""
    """A member of staff or the guest; empty for the system, the PSP's dashboard, and refunds of before it was kept."""
    asked_at: datetime | None = None
    detail: str = ""
    """Why it failed, or has no outcome."""
    unanswered: bool = False
    """The payment service has asked, or waited, for its outcome in vain for days."""
    is_second_charge: bool = False
    """Of a second charge (the guest paid twice): none of the order's own money."""
    repeats: RefundId | None = None
    settled: RefundSettlement | None = None

    @property
    def is_troubled(self) -> bool:
        """It failed or has no outcome, and no person has settled that."""
        waits = self.unanswered and self.stage in (RefundStage.REQUESTED, RefundStage.PENDING)
        return self.settled is None and (self.stage is RefundStage.FAILED or waits)

    def moved(self, stage: RefundStage | None, detail: str = "") -> "RequestedRefund":
        """The refund after a fact about it; itself when it was further already."""
        if stage is None or _PROGRESS.index(stage) <= _PROGRESS.index(self.stage):
            return self
        return self.model_copy(update={"stage": stage, "detail": detail, "unanswered": False})

    def view(self, *, needs_attention: bool) -> RefundView:
        """As staff see it."""
        return RefundView(
            refund_id=self.refund_id,
            amount=self.amount,
            stage=self.stage,
            reason=self.reason,
            asked_by=self.asked_by,
            asked_at=self.asked_at,
            detail=self.detail,
            needs_attention=needs_attention,
            is_second_charge=self.is_second_charge,
            repeats=self.repeats,
            settled=self.settled,
        )


def asked_of(refunds: Iterable[RequestedRefund]) -> int:
    """What is on its way back or there, of the order's own money, in hundredths of a minor unit."""
    own = (refund for refund in refunds if not refund.is_second_charge and refund.stage is not RefundStage.FAILED)
    return sum(refund.amount.in_hundredths for refund in own)


def given_outside(refunds: Iterable[RequestedRefund]) -> int:
    """What staff gave the guest outside the PSP, of the order's own money, in hundredths of a minor unit."""
    own = (refund.settled for refund in refunds if not refund.is_second_charge)
    return sum(settled.amount.in_hundredths for settled in own if settled is not None and settled.amount is not None)


def with_failed_stages(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """An order as it is stored, its failed refunds marked as such. Versions before stages name them only apart, and may
    have written it last."""
    failed = values.get("failed_refunds", ())
    refunds = (
        {**refund, "stage": RefundStage.FAILED}
        if isinstance(refund, Mapping) and refund["refund_id"] in failed
        else refund
        for refund in values.get("refunds", ())
    )
    return {**values, "refunds": tuple(refunds)}
