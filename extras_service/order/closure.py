"""Transitions of expiring and cancelled orders."""

from datetime import datetime
from zoneinfo import ZoneInfo

from chassis.decision import Applied, Decision, Refused, Stale
from contracts.approvals import OrderDeclined
from contracts.ids import RefundId
from contracts.order_actions import ActionKind
from contracts.orders import CancelOrder, OrderCancelled, OrderExpired, OrderStatus, Reason, RefundSettlement
from contracts.payments import ClosePaymentSession, PaymentSucceeded, RefundPayment, RefundStage
from extras_service.order.money import DISPUTED, refund_of, surplus_reviewed
from extras_service.order.refund_requests import ask_refund, with_settled
from extras_service.order.replies import not_payable, refuse_waiting
from extras_service.order.state import Order
from extras_service.order.status import acted, settled


def deadline_passed(order: Order, now: datetime) -> Decision[Order]:
    if order.due_at is None or now < order.due_at:
        return Stale("the deadline was moved")
    if order.session is None and order.session_asked_at is None:
        return expired(order)
    return closing(order, OrderStatus.EXPIRING)


def cancelled_unpaid(order: Order, command: CancelOrder, now: datetime) -> Decision[Order]:
    marked = acted(order, command, ActionKind.CANCELLED, now, command.reason)
    if order.session is None and order.session_asked_at is None:
        return cancelled(marked)
    return closing(marked, OrderStatus.CANCELLING)


def closing(order: Order, status: OrderStatus) -> Decision[Order]:
    """First of two phases: nothing is released before the PSP confirms that the order can no longer be paid."""
    closing = order.model_copy(update={"status": status, "due_at": None, "waiting": ()})
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(closing, (close, *refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closing))))


def expired(order: Order) -> Applied[Order]:
    closed = settled(order, OrderStatus.EXPIRED)
    event = OrderExpired(**order.about)
    return Applied(closed, (event, *refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closed))))


def cancelled(order: Order, *asked: RefundPayment | ClosePaymentSession) -> Applied[Order]:
    """The order is cancelled, or declined if the hotel did not take it."""
    closed = settled(order, _closed_as(order))
    about = order.about | {"payment_status": closed.payment_status}
    because = order.declined_because
    event = OrderCancelled(**about) if because is None else OrderDeclined(**about, reason=because)
    refused = refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closed))
    return Applied(closed, (event, *asked, *refused))


def _closed_as(order: Order) -> OrderStatus:
    return OrderStatus.CANCELLED if order.declined_because is None else OrderStatus.DECLINED


def cancelled_paid(order: Order, command: CancelOrder, now: datetime) -> Decision[Order]:
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_CANCELLABLE, DISPUTED)
    if command.staff is None and order.fulfilled_lines:
        return Refused(
            Reason.ORDER_NOT_CANCELLABLE, "You have received a part of this order already. Please ask the reception."
        )
    if command.staff is None and order.cancel_before is not None and now >= order.cancel_before:
        until = order.cancel_before.astimezone(ZoneInfo(order.time_zone))
        return Refused(
            Reason.CANCELLATION_TOO_LATE,
            f"This order could be cancelled until {until:%d %B %Y %H:%M} ({order.time_zone}). "
            "Please ask the reception.",
        )
    marked = acted(order, command, ActionKind.CANCELLED, now, command.reason)
    actor = command.staff.staff_id if command.staff else str(command.guest_id)
    return cancelled_with_refund(marked, "cancel", command.reason or "cancelled", actor, now)


def paid_too_late(order: Order, event: PaymentSucceeded, now: datetime) -> Decision[Order]:
    """A payment for a closed order: it is refunded in full."""
    received = order.model_copy(update={"received": event.amount})
    return cancelled_with_refund(received, "late", "paid after the order was closed", "", now)


def cancelled_with_refund(order: Order, why: str, reason: str, actor: str, now: datetime) -> Applied[Order]:
    if order.received is None:
        # Staff decided before any payment arrived: as far as possible, none may arrive any more.
        close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
        return cancelled(order, close)
    left = order.refundable
    if not left.in_hundredths:
        return cancelled(order) if order.accepted else surplus_reviewed(order) or cancelled(order)
    # Requested again after one failed, it is another refund: the failed one keeps its id, here and at the PSP.
    before = sum(f"_{why}" in refund.refund_id for refund in order.refunds)
    number = f"_{before + 1}" if before else ""
    refund_id = RefundId(f"ref_{order.order_id.removeprefix('ord_')}_{why}{number}")
    failed = (each for each in order.troubled_refunds if each.stage is RefundStage.FAILED and not each.is_second_charge)
    covered = with_settled(order, failed, RefundSettlement(by=actor, at=now, reason=f"asked for again as {refund_id}"))
    asked, refund = ask_refund(covered, refund_of(refund_id, left, reason, actor, now))
    if order.status is _closed_as(order):
        return Applied(settled(asked, order.status), (refund,))
    return cancelled(asked, refund)
