"""Requests of refunds: each has its own id, recorded before the payment service receives it."""

from collections.abc import Iterable
from datetime import datetime

from contracts.ids import RefundId, bounded_id
from contracts.orders import RefundSettlement
from contracts.payments import RefundPayment, RefundStage
from extras_service.order.refund import RequestedRefund
from extras_service.order.state import Order


def ask_refund(order: Order, refund: RequestedRefund) -> tuple[Order, RefundPayment]:
    """The order with this refund, and the command for it."""
    return with_refund(order, refund), RefundPayment(
        order_id=order.order_id,
        payment_id=order.payment_id,
        refund_id=refund.refund_id,
        amount=refund.amount,
        reason=refund.reason,
        repeats=refund.repeats,
    )


def ask_again(
    order: Order, failed: RequestedRefund, by: str, reason: str, now: datetime
) -> tuple[Order, RefundPayment]:
    """A refund that replaces a failed one, under a new id; the failed one keeps its own, also at the PSP.

    One without an outcome is requested under the same id, so that the PSP cannot make it twice.
    """
    if failed.stage is not RefundStage.FAILED:
        return ask_refund(order, failed.model_copy(update={"unanswered": False}))
    again = RequestedRefund(
        refund_id=RefundId(bounded_id(f"{failed.refund_id}_again")),
        amount=failed.amount,
        reason=reason,
        asked_by=by,
        asked_at=now,
        is_second_charge=failed.is_second_charge,
        line=failed.line,
        repeats=failed.refund_id,
    )
    return ask_refund(order, again)


def with_refund(order: Order, refund: RequestedRefund) -> Order:
    """The order with this refund, in place of its earlier record or as the newest."""
    if all(each.refund_id != refund.refund_id for each in order.refunds):
        return order.model_copy(update={"refunds": (*order.refunds, refund)})
    replaced = tuple(refund if each.refund_id == refund.refund_id else each for each in order.refunds)
    return order.model_copy(update={"refunds": replaced})


def with_settled(order: Order, refunds: Iterable[RequestedRefund], settlement: RefundSettlement) -> Order:
    """The order with these refunds settled by staff."""
    for refund in refunds:
        order = with_refund(order, refund.model_copy(update={"settled": settlement}))
    return order
