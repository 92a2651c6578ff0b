"""Transitions for mismatches, refunds and disputes of an order's money."""

from datetime import datetime

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Duplicate, Refused, Stale
from contracts.ids import RefundId
from contracts.money import Money, unrefundable
from contracts.orders import OrderNeedsReview, OrderPaymentChanged, OrderStatus, Reason, RefundOrder
from contracts.payments import ClosePaymentSession
from extras_service.order.disputes import Dispute, DisputeEvent, as_fields
from extras_service.order.refund import RequestedRefund, asked_of
from extras_service.order.refund_requests import ask_refund
from extras_service.order.replies import line_unknown, not_payable, refuse_waiting
from extras_service.order.state import Order
from extras_service.order.status import CLOSED, payment_status_of, settled

REFUNDABLE = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED, *CLOSED)

DISPUTED = "This payment is disputed. Refunds are blocked until the dispute is resolved."


def needs_review(order: Order, detail: str, *, received: Money | None) -> Applied[Order]:
    is_open = order.status is OrderStatus.NEEDS_REVIEW
    marked = {
        "received": received,
        "review": detail,
        "reviews": order.reviews + (not is_open),
        "reviewed_from": order.reviewed_from if is_open else order.status,
    }
    reviewed = settled(order.model_copy(update=marked), OrderStatus.NEEDS_REVIEW)
    event = OrderNeedsReview(**order.about, detail=detail)
    return Applied(reviewed, (event, *refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(reviewed))))


def unresolved(order: Order, detail: str) -> Decision[Order]:
    """Hold for manual review and block further payment."""
    reviewed = needs_review(order, detail, received=None)
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(reviewed.state, (*reviewed.messages, close))


def received_after_all(order: Order, amount: Money) -> Decision[Order]:
    """Money received during a review, or after the order was accepted without it: it can be refunded."""
    return Applied(order.model_copy(update={"received": amount}))


def refund_asked(order: Order, command: RefundOrder, now: datetime) -> Decision[Order]:
    before = next((refund for refund in order.refunds if refund.refund_id == command.refund_id), None)
    if before is not None:
        if command.amount in (None, before.amount):
            return Duplicate()
        return Refused(Reason.IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key was used for a refund of another amount.")
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_REFUNDABLE, DISPUTED)
    if order.status not in REFUNDABLE or order.received is None:
        return Refused(Reason.ORDER_NOT_REFUNDABLE, f"There is nothing to refund: the order is {order.status}.")
    left = order.refundable
    if command.line is not None:
        if (unknown := line_unknown(order, (command.line,))) is not None:
            return unknown
        refunded = asked_of(refund for refund in order.refunds if refund.line == command.line)
        of_line = order.lines[command.line].line_total.in_hundredths - refunded
        left = Money.of_hundredths(max(0, min(left.in_hundredths, of_line)), left.currency)
    amount = command.amount or left
    if (problem := unrefundable(amount, left)) is not None:
        return Refused(Reason.REFUND_EXCEEDS_PAID, f"At most {readable(left)} can be refunded: {problem}.")
    asked_for = refund_of(command.refund_id, amount, command.reason, command.staff.staff_id, now)
    asked, refund = ask_refund(order, asked_for.model_copy(update={"line": command.line}))
    return Applied(asked, (refund,))


def refund_of(refund_id: RefundId, amount: Money, reason: str, actor: str, now: datetime) -> RequestedRefund:
    return RequestedRefund(refund_id=refund_id, amount=amount, reason=reason, asked_by=actor, asked_at=now)


def dispute_reported(order: Order, event: DisputeEvent) -> Decision[Order]:
    """The newest event about a dispute counts: an appeal reopens a won or lost dispute."""
    known = next((dispute for dispute in order.disputes if dispute.dispute_id == event.dispute_id), None)
    dispute = Dispute.of(event)
    if known is not None and not dispute.is_newer_than(known):
        return Stale("overtaken by a newer fact about this dispute")
    others = tuple(other for other in order.disputes if other.dispute_id != event.dispute_id)
    changed = order.model_copy(update=as_fields((*others, dispute)))
    if order.status in CLOSED and changed.refundable.in_hundredths > order.refundable.in_hundredths:
        held = readable(changed.refundable)
        detail = f"a dispute was won after the order was closed: {held} of it are with the hotel"
        return needs_review(changed, detail, received=order.received)
    return money_moved(order, changed)


def money_moved(before: Order, after: Order) -> Applied[Order]:
    """A refund or a dispute changed the returned amount; more than was paid brings a closed order under review."""
    after = _out_of_review(after)
    is_more = after.status in CLOSED and after.returned > before.returned
    return (surplus_reviewed(after) if is_more else None) or payment_changed(before, after)


def surplus_reviewed(order: Order) -> Applied[Order] | None:
    """The order, under review if its guest has received back more than they paid."""
    if order.received is None or order.returned <= order.received.in_hundredths:
        return None
    surplus = Money.of_hundredths(order.returned - order.received.in_hundredths, order.received.currency)
    detail = f"refunded, and taken back by the guest's bank as well: {readable(surplus)} more than was paid"
    return needs_review(order, detail, received=order.received)


def payment_changed(before: Order, after: Order) -> Applied[Order]:
    """The order with its payment status recomputed. A review of a refund ends with that refund."""
    after = _out_of_review(after)
    after = after.model_copy(update={"payment_status": payment_status_of(after)})
    if (after.status, after.payment_status) == (before.status, before.payment_status):
        return Applied(after)
    event = OrderPaymentChanged(
        **after.about,
        status=after.status,
        payment_status=after.payment_status,
    )
    return Applied(after, (event,))


def _out_of_review(order: Order) -> Order:
    """The order's former status, once no refund needs attention, if only a refund brought it under review."""
    if order.back_to is None or order.troubled_refunds:
        return order
    return order.model_copy(update={"status": order.back_to, "back_to": None, "reviewed_from": None, "review": None})
