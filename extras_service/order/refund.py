"""The order's record of a refund: request, stage, and the settlement of a failed one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from contracts.ids import RefundId
from contracts.money import Money
from contracts.orders import RefundSettlement, RefundView
from contracts.payments import RefundStage

_PROGRESS = (RefundStage.REQUESTED, RefundStage.PENDING, RefundStage.SUCCEEDED, RefundStage.FAILED)
"""A refund's stages only move forward in this order: events may overtake each other."""


class RequestedRefund(BaseModel):
    """A refund that this order has requested, or that the PSP has reported."""

    model_config = ConfigDict(frozen=True)

    refund_id: RefundId
    amount: Money
    reason: str
    stage: RefundStage = RefundStage.REQUESTED
    asked_by: str = ""
    """A member of staff or the guest; empty for the system, the PSP's dashboard, and refunds of older versions."""
    asked_at: datetime | None = None
    detail: str = ""
    """The reason why it failed or has no outcome."""
    unanswered: bool = False
    """The payment service has polled, or waited, for its outcome without success for days."""
    is_second_charge: bool = False
    """Of a second charge (the guest paid twice): none of the order's own money."""
    line: int | None = None
    """The order's line that it is for."""
    repeats: RefundId | None = None
    settled: RefundSettlement | None = None

    @property
    def is_troubled(self) -> bool:
        """It failed or has no outcome, and staff have not settled it."""
        waits = self.unanswered and self.stage in (RefundStage.REQUESTED, RefundStage.PENDING)
        return self.settled is None and (self.stage is RefundStage.FAILED or waits)

    def moved(self, stage: RefundStage | None, detail: str = "") -> "RequestedRefund":
        """The refund after an event; unchanged if it was at a later stage already."""
        if stage is None or _PROGRESS.index(stage) <= _PROGRESS.index(self.stage):
            return self
        return self.model_copy(update={"stage": stage, "detail": detail, "unanswered": False})

    def view(self, *, needs_attention: bool) -> RefundView:
        """The refund for staff."""
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
            line=self.line,
            repeats=self.repeats,
            settled=self.settled,
        )


def asked_of(refunds: Iterable[RequestedRefund]) -> int:
    """The amount refunded or being refunded of the order's own money, in hundredths of a minor unit."""
    own = (refund for refund in refunds if not refund.is_second_charge and refund.stage is not RefundStage.FAILED)
    return sum(refund.amount.in_hundredths for refund in own)


def given_outside(refunds: Iterable[RequestedRefund]) -> int:
    """The amount that staff paid outside the PSP of the order's own money, in hundredths of a minor unit."""
    own = (refund.settled for refund in refunds if not refund.is_second_charge)
    return sum(settled.amount.in_hundredths for settled in own if settled is not None and settled.amount is not None)


def with_failed_stages(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored order with its failed refunds marked as such. Versions before stages list them separately, and one of
    those may have written it last."""
    failed = values.get("failed_refunds", ())
    if not failed:
        return values  # as nearly all are, and each read of an order comes here
    refunds = (
        {**refund, "stage": RefundStage.FAILED}
        if isinstance(refund, Mapping) and refund["refund_id"] in failed
        else refund
        for refund in values.get("refunds", ())
    )
    return {**values, "refunds": tuple(refunds)}
