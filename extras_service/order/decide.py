"""The saga: the order's table of decisions, row by row.

The rows' transitions are in `transitions.py`, `payment.py`, `fulfilment.py`, `closure.py`, `money.py`,
`refund_transitions.py` and `reviews.py`. All take values and return values: no clock, no broker, no store.
"""

from datetime import datetime
from typing import assert_never

from chassis.amounts import readable
from chassis.decision import Decision, Ignored, Refused, Stale
from contracts.approvals import ApproveOrder, DeclineOrder
from contracts.erasure import EraseOrder
from contracts.ids import GuestId, PropertyId
from contracts.message import OrderEvent
from contracts.orders import (
    CancelOrder,
    FulfilLines,
    FulfilOrder,
    OrderStatus,
    Reason,
    RefundOrder,
    ResolveReview,
    RetryRefund,
    SettleRefundOutside,
    Staff,
    StartPayment,
)
from contracts.payments import (
    PaymentAuthorised,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentFailed,
    PaymentInstructionsIssued,
    PaymentMismatched,
    PaymentProcessing,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSessionClosed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    PaymentUnresolved,
)
from extras_service.order import (
    approval,
    closure,
    erasure,
    fulfilment,
    money,
    payment,
    refund_transitions,
    replies,
    transitions,
)
from extras_service.order.inputs import (
    DeadlinePassed,
    HoldsConfirmed,
    HoldsLost,
    OrderInput,
    PaymentStart,
    PlacementRequest,
    RetentionPassed,
    ReviewDecision,
    UnknownOrderError,
)
from extras_service.order.reviews import review_resolved
from extras_service.order.state import Order, guest_key

NOT_FOUND = Refused(Reason.ORDER_NOT_FOUND, "There is no such order.")

_S = OrderStatus


def decide(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
    """Decide on `message`. Raises UnknownOrderError for a payment event without an order."""
    return erasure.followed(_decided(order, message, now), now)


def _decided(order: Order | None, message: OrderInput, now: datetime) -> Decision[Order]:
    if order is None:
        return _without_order(message, now)
    if not _may_touch(order, message):
        return NOT_FOUND
    match order.status, message:
        case _, EraseOrder(pseudonym=pseudonym):
            return erasure.asked(order, pseudonym)
        case _, RetentionPassed():
            return erasure.asked(order, erasure.own_pseudonym(order.order_id))
        case _S.CONFIRMED, DeadlinePassed() if order.erasure is not None and order.due_at is not None:
            return erasure.stay_is_over(order)
        case _, PlacementRequest() if order.erased_at is not None:
            return Refused(Reason.IDEMPOTENCY_KEY_REUSED, replies.ERASED)
        case _, PlacementRequest(command=command):
            return transitions.placed_before(order, command)
        case _S.PENDING_PAYMENT, HoldsConfirmed():
            return transitions.holds_confirmed(order)
        case _S.PENDING_PAYMENT, HoldsLost():
            return transitions.holds_lost(order)
        case _S.PENDING_PAYMENT, PaymentStart():
            return payment.payment_started(order, message, now)
        case _, PaymentStart():
            return Refused(Reason.ORDER_NOT_PAYABLE, replies.not_payable(order))
        case (
            (_S.PENDING_PAYMENT | _S.EXPIRING | _S.CANCELLING),
            PaymentSessionCreated(request_no=no)
            | PaymentInstructionsIssued(request_no=no)
            | PaymentProcessing(request_no=no)
            | PaymentAuthorised(request_no=no)
            | PaymentFailed(request_no=no),
        ) if order.has_closed(no):
            return Stale("the session was closed meanwhile")
        case _S.PENDING_PAYMENT, PaymentSessionCreated():
            return payment.session_created(order, message)
        case ((_S.AWAITING_APPROVAL | _S.CAPTURING), PaymentSessionCreated()):
            return Stale(f"the order is {order.status} already")
        case ((_S.PENDING_PAYMENT | _S.AWAITING_APPROVAL), PaymentAuthorised()):
            return approval.authorised(order, message, now)
        case _S.CAPTURING, PaymentAuthorised():
            return approval.captured_again(order)
        case _, PaymentSessionCreated() | PaymentAuthorised() if order.received is None:
            return payment.opened_too_late(order)
        case _S.PENDING_PAYMENT, PaymentSessionFailed():
            return payment.session_failed(order, message)
        case _S.PENDING_PAYMENT, PaymentInstructionsIssued(payable_until=until):
            return payment.instructions_issued(order, until, now)
        case ((_S.PENDING_PAYMENT | _S.EXPIRING | _S.CANCELLING), PaymentProcessing()):
            return payment.processing(order)
        case ((_S.PENDING_PAYMENT | _S.EXPIRING | _S.CANCELLING), PaymentFailed()):
            return payment.attempt_failed(order, message, now)
        case (
            (_S.PENDING_PAYMENT | _S.EXPIRING | _S.AWAITING_APPROVAL),
            PaymentSucceeded(amount=amount),
        ) if order.needs_approval:
            return approval.charged_unapproved(order, amount)
        case (
            (_S.PENDING_PAYMENT | _S.EXPIRING | _S.CAPTURING),
            PaymentSucceeded(amount=amount),
        ) if amount == order.total:
            return payment.paid(order)
        case ((_S.CANCELLING | _S.EXPIRED | _S.CANCELLED | _S.DECLINED), PaymentSucceeded()) if order.received is None:
            return closure.paid_too_late(order, message, now)
        case ((_S.PENDING_PAYMENT | _S.EXPIRING | _S.CAPTURING), PaymentSucceeded(amount=amount)):
            return money.needs_review(order, f"paid {readable(amount)}, owed {readable(order.total)}", received=amount)
        case _, PaymentMismatched(received=received, detail=detail) if order.received is None:
            return money.needs_review(order, detail, received=received)
        case _, PaymentUnresolved(refund_id=refund_id) if refund_id is not None:
            return refund_transitions.unanswered(order, message, refund_id, now)
        case (
            (_S.PENDING_PAYMENT | _S.EXPIRING | _S.CANCELLING | _S.AWAITING_APPROVAL | _S.CAPTURING),
            PaymentUnresolved(detail=detail),
        ):
            return money.unresolved(order, detail)
        case ((_S.EXPIRED | _S.CANCELLED | _S.DECLINED), PaymentUnresolved(detail=detail)) if order.received is None:
            return money.unresolved(order, detail)
        case _S.PENDING_PAYMENT, DeadlinePassed():
            return closure.deadline_passed(order, now)
        case _S.AWAITING_APPROVAL, DeadlinePassed():
            return approval.deadline_passed(order, now)
        case _S.AWAITING_APPROVAL, ApproveOrder():
            return approval.approved(order, message, now)
        case _S.NEEDS_REVIEW, ApproveOrder() if order.unapproved:
            return approval.approved_after_charge(order, message, now)
        case _S.AWAITING_APPROVAL, DeclineOrder():
            return approval.declined(order, message, now)
        case ((_S.CAPTURING | _S.CONFIRMED | _S.FULFILLED), ApproveOrder()) if order.needs_approval:
            return approval.approved_before(order, message)
        case ((_S.CANCELLING | _S.DECLINED), DeclineOrder()) if order.declined_because is not None:
            return Ignored("declined already")
        case _, ApproveOrder() | DeclineOrder():
            return Refused(Reason.ORDER_NOT_APPROVABLE, replies.not_approvable(order))
        case ((_S.AWAITING_APPROVAL | _S.CAPTURING), PaymentSessionClosed()):
            return approval.session_closed(order, message)
        case ((_S.PENDING_PAYMENT | _S.EXPIRING | _S.AWAITING_APPROVAL | _S.CAPTURING), CancelOrder()):
            return closure.cancelled_unpaid(order, message, now)
        case _S.PENDING_PAYMENT, PaymentSessionClosed():
            return payment.session_lost(order, message, now)
        case _S.EXPIRING, PaymentSessionClosed():
            return closure.expired(order)
        case _S.CANCELLING, PaymentSessionClosed():
            return closure.cancelled(order)
        case _S.CONFIRMED, CancelOrder():
            return closure.cancelled_paid(order, message, now)
        case ((_S.CANCELLING | _S.CANCELLED | _S.DECLINED), CancelOrder()):
            return Ignored("cancelled already")
        case _, CancelOrder():
            return Refused(
                Reason.ORDER_NOT_CANCELLABLE, f"This order can no longer be cancelled: it is {order.status}."
            )
        case _S.CONFIRMED, FulfilOrder():
            return fulfilment.fulfilled(order, message, now)
        case _S.CONFIRMED, FulfilLines():
            return fulfilment.lines_fulfilled(order, message, now)
        case _S.FULFILLED, FulfilOrder() | FulfilLines():
            return Ignored("fulfilled already")
        case _, FulfilOrder() | FulfilLines():
            return Refused(
                Reason.ORDER_NOT_FULFILLABLE, f"Only a confirmed order can be fulfilled; it is {order.status}."
            )
        case _, RefundOrder():
            return money.refund_asked(order, message, now)
        case _, RetryRefund():
            return refund_transitions.retried(order, message, now)
        case _, SettleRefundOutside():
            return refund_transitions.settled_outside(order, message, now)
        case _S.NEEDS_REVIEW, ReviewDecision():
            return review_resolved(order, message, now)
        case _, ReviewDecision():
            return Refused(Reason.ORDER_NOT_IN_REVIEW, f"This order is not under review; it is {order.status}.")
        case _, PaymentRefunded():
            return refund_transitions.settled(order, message, now)
        case _, PaymentRefundFailed():
            return refund_transitions.failed(order, message, now)
        case _, PaymentDisputed() | PaymentDisputeClosed():
            return money.dispute_reported(order, message)
        case (
            (_S.NEEDS_REVIEW | _S.CONFIRMED | _S.FULFILLED),
            PaymentSucceeded(amount=amount),
        ) if order.received is None:
            return money.received_after_all(order, amount)
        case status, (
            HoldsConfirmed()
            | HoldsLost()
            | DeadlinePassed()
            | PaymentSessionCreated()
            | PaymentSessionFailed()
            | PaymentInstructionsIssued()
            | PaymentProcessing()
            | PaymentFailed()
            | PaymentAuthorised()
            | PaymentSucceeded()
            | PaymentMismatched()
            | PaymentUnresolved()
            | PaymentSessionClosed()
        ):
            return _overtaken(status, message)
        case _:
            assert_never(message)


def _overtaken(status: OrderStatus, message: OrderInput) -> Decision[Order]:
    match status:
        case _S.NEEDS_REVIEW:
            return Ignored("a person decides on this order")
        case _ if isinstance(message, PaymentSucceeded):
            return Ignored("paid already")
        case (
            _S.PENDING_PAYMENT
            | _S.AWAITING_APPROVAL
            | _S.CAPTURING
            | _S.EXPIRING
            | _S.CANCELLING
            | _S.CONFIRMED
            | _S.FULFILLED
            | _S.EXPIRED
            | _S.CANCELLED
            | _S.DECLINED
        ):
            return Stale(f"the order is {status} already")
        case _:
            assert_never(status)


def _may_touch(order: Order, message: OrderInput) -> bool:
    """Guests may change their own orders, staff those of their property; events concern any order."""
    match message:
        case PaymentStart(command=StartPayment(guest_id=guest_id, property_id=property_id)):
            return _is_guests(order, guest_id, property_id)
        case CancelOrder(staff=None, guest_id=guest_id, property_id=property_id):
            return guest_id is not None and _is_guests(order, guest_id, property_id)
        case (
            CancelOrder(staff=staff)
            | ApproveOrder(staff=staff)
            | DeclineOrder(staff=staff)
            | FulfilOrder(staff=staff)
            | FulfilLines(staff=staff)
            | RefundOrder(staff=staff)
            | RetryRefund(staff=staff)
            | SettleRefundOutside(staff=staff)
            | ReviewDecision(command=ResolveReview(staff=staff))
        ):
            return staff is not None and is_staffs(order, staff)
        case EraseOrder(property_id=property_id):
            return property_id == order.guest.property_id
        case PlacementRequest() | HoldsConfirmed() | HoldsLost() | RetentionPassed() | DeadlinePassed() | OrderEvent():
            return True
        case _:
            assert_never(message)


def is_staffs(order: Order, staff: Staff) -> bool:
    """Whether the order is of the staff's property."""
    return staff.property_id == order.guest.property_id


def _is_guests(order: Order, guest_id: GuestId, property_id: PropertyId) -> bool:
    return order.guest_key == guest_key(guest_id, property_id)


def _without_order(message: OrderInput, now: datetime) -> Decision[Order]:
    match message:
        case PlacementRequest():
            return transitions.placed(message, now)
        case (
            PaymentStart()
            | CancelOrder()
            | ApproveOrder()
            | DeclineOrder()
            | FulfilOrder()
            | FulfilLines()
            | RefundOrder()
            | RetryRefund()
            | SettleRefundOutside()
            | ReviewDecision()
            | EraseOrder()
        ):
            return NOT_FOUND
        case RetentionPassed() | DeadlinePassed() | HoldsConfirmed() | HoldsLost():
            return Ignored("no such order")
        case event:
            raise UnknownOrderError(event)
