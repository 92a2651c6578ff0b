"""Transitions of orders that the hotel approves before the guest is charged.

The guest's bank authorises the payment; staff approve the order (it is captured) or decline it (it is voided).
Nothing is captured without approval, and an order without a decision is declined before its authorisation lapses.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Ignored, Refused, Stale
from contracts.approvals import ApproveOrder, DeclineOrder, OrderApprovalNeeded, OrderApproved
from contracts.money import Money, unpayable
from contracts.order_actions import ActionKind
from contracts.orders import OrderLine, OrderStatus, Reason, TakenOut
from contracts.payments import CapturePayment, PaymentAuthorised, PaymentSessionClosed
from extras_service.order.closure import cancelled, closing
from extras_service.order.money import needs_review
from extras_service.order.payment import confirmed
from extras_service.order.replies import line_unknown, not_payable, refuse_waiting
from extras_service.order.state import Order
from extras_service.order.status import acted, payment_status_of

VOIDED_AHEAD = timedelta(hours=12)
"""How long before its authorisation lapses an order without a decision is declined: time to void it, and to capture one
that was approved at the last moment."""

REMINDED_AHEAD = timedelta(hours=24)
"""How long before that staff are reminded."""

NOT_APPROVED_IN_TIME = "The hotel has not approved this order in time."
NOT_CAPTURED = "The hotel approved this order, but the payment could not be taken any more."


def authorised(order: Order, event: PaymentAuthorised, now: datetime) -> Decision[Order]:
    """The order awaits approval; an event about the same authorisation may name another time at which it lapses."""
    approve_by = event.capture_before - VOIDED_AHEAD
    is_waiting = order.status is OrderStatus.AWAITING_APPROVAL
    if is_waiting and order.approve_by == approve_by:
        return Ignored("it awaits approval already")
    reminded_at = approve_by - REMINDED_AHEAD
    waiting = order.model_copy(
        update={
            "status": OrderStatus.AWAITING_APPROVAL,
            "approve_by": approve_by,
            "due_at": reminded_at if reminded_at > now else approve_by,
            "payment_failure": None,
            "waiting": (),
        }
    )
    waiting = waiting.model_copy(update={"payment_status": payment_status_of(waiting)})
    refused = refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(waiting))
    return Applied(waiting, refused if is_waiting else (_needed(waiting, approve_by), *refused))


def approved(order: Order, command: ApproveOrder, now: datetime) -> Decision[Order]:
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_APPROVABLE, "The guest's bank disputes this payment: decline the order.")
    left = _without(order, command)
    if isinstance(left, Refused):
        return left
    marked = acted(left, command, ActionKind.APPROVED, now, command.reason)
    capturing = marked.model_copy(update={"status": OrderStatus.CAPTURING, "due_at": None})
    event = OrderApproved(**order.about, total=left.total, taken_out=left.taken_out)
    return Applied(capturing, (event, _capture(capturing)))


def approved_before(order: Order, command: ApproveOrder) -> Decision[Order]:
    """The same approval is repeated, or a second person has decided on other lines."""
    decided = order.taken_out
    lines, reason = (decided.lines, decided.reason) if decided else ((), "")
    asked = tuple(sorted(set(command.without_lines)))
    if asked == lines and (not lines or command.reason == reason):
        return Ignored("approved already")
    how = (
        f"without {', '.join(map(_named, (order.lines[line] for line in lines)))}: {reason}" if lines else "as a whole."
    )
    return Refused(Reason.APPROVED_OTHERWISE, f"This order was approved already, {how}")


def _without(order: Order, command: ApproveOrder) -> Order | Refused:
    """The order without the lines that staff take out, which stay on it as taken out."""
    gone = tuple(sorted(set(command.without_lines)))
    if not gone:
        return order
    if (unknown := line_unknown(order, gone)) is not None:
        return unknown
    kept = [line for number, line in enumerate(order.lines) if number not in gone]
    if not kept:
        return Refused(Reason.NO_LINE_LEFT, "An order without lines cannot be approved: decline it instead.")
    total = _sum(kept)
    if (why := unpayable(total)) is not None:
        return Refused(Reason.TOTAL_NOT_PAYABLE, f"What is left of this order cannot be charged: {why}.")
    taken_out = TakenOut(lines=gone, amount=_sum(order.lines[number] for number in gone), reason=command.reason)
    return order.model_copy(update={"total": total, "taken_out": taken_out})


def _sum(lines: Iterable[OrderLine]) -> Money:
    first, *others = (line.line_total for line in lines)
    return sum(others, start=first)


def _named(line: OrderLine) -> str:
    return line.name.get("en") or next(iter(line.name.values()), line.extra_id)


def charged_unapproved(order: Order, received: Money) -> Decision[Order]:
    """Captured at the PSP by another hand, or approved before the store went back: a person decides."""
    detail = f"{readable(received)} of {readable(order.total)} were charged before the hotel approved it"
    reviewed = needs_review(order, detail, received=received)
    return Applied(reviewed.state.model_copy(update={"unapproved": True}), reviewed.messages)


def approved_after_charge(order: Order, command: ApproveOrder, now: datetime) -> Decision[Order]:
    """It counts for exactly what was charged: all of it or, after a restore, without the lines that were taken out."""
    left = _without(order, command)
    if isinstance(left, Refused):
        return left
    if left.total != order.received:
        charged = readable(order.received) if order.received else "nothing"
        return Refused(
            Reason.ORDER_NOT_APPROVABLE,
            f"{charged} of this order were charged already, and this approval is of {readable(left.total)}: decide its "
            "review instead, and refund the difference.",
        )
    decided = left.model_copy(update={"review": None, "reviewed_from": None, "unapproved": False})
    return confirmed(acted(decided, command, ActionKind.APPROVED, now, command.reason), ())


def captured_again(order: Order) -> Decision[Order]:
    """The payment service has lost that it was asked to capture: it is asked again."""
    return Applied(order, (_capture(order),))


def declined(order: Order, command: DeclineOrder, now: datetime) -> Decision[Order]:
    marked = acted(order, command, ActionKind.DECLINED, now, command.reason)
    return _declining(marked, command.reason)


def deadline_passed(order: Order, now: datetime) -> Decision[Order]:
    """Staff are reminded once, then the order is declined."""
    if order.due_at is None or now < order.due_at:
        return Stale("the deadline was moved")
    if order.approve_by is not None and now < order.approve_by:
        reminded = order.model_copy(update={"due_at": order.approve_by})
        return Applied(reminded, (_needed(order, order.approve_by, is_reminder=True),))
    return _declining(order, NOT_APPROVED_IN_TIME)


def session_closed(order: Order, event: PaymentSessionClosed) -> Decision[Order]:
    """The authorisation lapsed, was voided at the PSP, or could not be captured: the order is declined."""
    if 0 < (event.request_no or 0) < order.session_request_no:
        return Stale("a newer session is open already")
    because = NOT_CAPTURED if order.status is OrderStatus.CAPTURING else NOT_APPROVED_IN_TIME
    return cancelled(order.model_copy(update={"declined_because": because}))


def _declining(order: Order, because: str) -> Decision[Order]:
    return closing(order.model_copy(update={"declined_because": because}), OrderStatus.CANCELLING)


def _capture(order: Order) -> CapturePayment:
    return CapturePayment(order_id=order.order_id, payment_id=order.payment_id, amount=order.total)


def _needed(order: Order, approve_by: datetime, *, is_reminder: bool = False) -> OrderApprovalNeeded:
    return OrderApprovalNeeded(
        **order.about,
        reservation_id=order.guest.reservation_id,
        lines=order.lines,
        total=order.total,
        approve_by=approve_by,
        is_reminder=is_reminder,
    )
