"""Requests of refunds: each has its own id, recorded before the payment service receives it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from contracts.ids import RefundId, bounded_id
from contracts.money import Money
from contracts.orders import RefundSettlement
from contracts.payments import RefundPayment, RefundStage
from extras_service.order.refund import RequestedRefund
from extras_service.order.state import Order


class RefundProtocol(Protocol):
    """The part of a refund, as order or payment have it, that a command for it needs."""

    @property
    def refund_id(self) -> RefundId: ...
    @property
    def amount(self) -> Money: ...
    @property
    def reason(self) -> str: ...
    @property
    def repeats(self) -> RefundId | None: ...


def refund_command(order: Order, refund: RefundProtocol) -> RefundPayment:
    """The command for a refund of this order, the same each time it is sent."""
    return RefundPayment(
        order_id=order.order_id,
        payment_id=order.payment_id,
        refund_id=refund.refund_id,
        amount=refund.amount,
        reason=refund.reason,
        repeats=refund.repeats,
    )


def ask_refund(order: Order, refund: RequestedRefund) -> tuple[Order, RefundPayment]:
    """The order with this refund, and the command for it."""
    return with_refund(order, refund), refund_command(order, refund)


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
