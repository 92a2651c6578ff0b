"""What each row of the order table does. `decide.py` is the table."""

from datetime import UTC, datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from chassis.amounts import readable
from chassis.decision import (
    Applied,
    Decision,
    DeferredReply,
    Duplicate,
    Ignored,
    Outgoing,
    PendingReply,
    Refused,
    Stale,
)
from chassis.errors import PermanentError
from contracts.ids import RefundId, payment_id_of
from contracts.money import Money, unrefundable
from contracts.order_actions import ActionKind, OrderAction, Role
from contracts.orders import (
    CancelOrder,
    FulfilOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderExpired,
    OrderFulfilled,
    OrderNeedsReview,
    OrderPaymentChanged,
    OrderPendingPayment,
    OrderStatus,
    PaymentStatus,
    PlaceOrder,
    Reason,
    RefundOrder,
    RefundSettlement,
    Refusal,
    ResolveReview,
)
from contracts.payments import (
    ClosePaymentSession,
    CreatePaymentSession,
    PaymentFailed,
    PaymentSessionCreated,
    PaymentSessionFailed,
    PaymentSucceeded,
    RefundPayment,
    RefundStage,
)
from extras_service.catalogue import Quote, gone_by
from extras_service.order.disputes import Dispute, DisputeEvent, as_fields
from extras_service.order.payment_description import payment_description
from extras_service.order.refund import RequestedRefund
from extras_service.order.refund_requests import ask_refund, with_settled
from extras_service.order.state import HoldsStage, HoldsUnconfirmedError, Order, PaymentStart, Placing, guest_key

MAX_WAITERS = 16
"""How many requests for one payment session are answered at once; older ones time out and ask again."""

REPORTED_WITHIN = timedelta(days=1)
"""How long after a voucher was paid the PSP may still report it."""

ASK_AGAIN_AFTER = timedelta(seconds=30)
"""When a request for a payment session that was never answered is sent once more."""

REFUNDABLE = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED)
CLOSED = (OrderStatus.CANCELLED, OrderStatus.EXPIRED)

_HOLDS_LOST = "The order took too long, and one of its extras is taken meanwhile. Please order again."
DISPUTED = "The guest's bank is deciding about this payment; nothing can be given back before it has."

# Placing and paying


def placed(placing: Placing, now: datetime) -> Decision[Order]:
    command, priced = placing.command, placing.quoted
    if isinstance(priced, Refused):
        return priced
    too_late = gone_by(command.guest, priced.lines, placing.catalogue, now)
    if too_late is not None:
        return too_late
    if placing.open_orders >= placing.max_open_orders:
        return Refused(
            Reason.TOO_MANY_OPEN_ORDERS,
            f"You have {placing.open_orders} orders that are not paid yet. Pay or cancel one of them first.",
        )
    due_at = now + placing.pay_within
    order = Order(
        order_id=command.order_id,
        guest=command.guest,
        guest_key=guest_key(command.guest.guest_id, command.guest.property_id),
        requested=command.lines,
        lines=priced.lines,
        total=priced.total,
        status=OrderStatus.PENDING_PAYMENT,
        payment_status=PaymentStatus.UNPAID,
        created_at=now,
        pay_within=placing.pay_within,
        cancel_before=_cut_off(placing, priced),
        time_zone=placing.catalogue[priced.lines[0].extra_id].time_zone,
        payment_id=payment_id_of(command.order_id),
        open_of=guest_key(command.guest.guest_id, command.guest.property_id),
        holds=HoldsStage.UNCONFIRMED if placing.needs_holds else HoldsStage.CONFIRMED,
        due_at=due_at,
    )
    pending = OrderPendingPayment(
        order_id=order.order_id,
        property_id=order.guest.property_id,
        reservation_id=order.guest.reservation_id,
        guest_id=order.guest.guest_id,
        lines=order.lines,
        total=order.total,
        pay_until=due_at,
    )
    return Applied(order, (pending,))


def _cut_off(placing: Placing, priced: Quote) -> datetime:
    """Until when a guest may cancel what is paid: so long before the first day, at the property, any of it is for."""
    stay_from = placing.command.guest.stay_from
    begins = min(placing.catalogue[line.extra_id].begins(line.day or stay_from) for line in priced.lines)
    return begins.astimezone(UTC) - placing.cancel_until


def placed_before(order: Order, command: PlaceOrder) -> Decision[Order]:
    if command.lines == order.requested:
        return Refused(Reason.OUT_OF_STOCK, _HOLDS_LOST) if order.holds is HoldsStage.LOST else Duplicate()
    return Refused(
        Reason.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was used for an order with other extras; use a new key for a new order.",
    )


def holds_confirmed(order: Order) -> Decision[Order]:
    if order.holds is not HoldsStage.UNCONFIRMED:
        return Ignored("its places are confirmed already")
    return Applied(order.model_copy(update={"holds": HoldsStage.CONFIRMED}))


def holds_lost(order: Order) -> Decision[Order]:
    """It must never be paid: it expires at once. Without confirmed places no payment session was ever asked for."""
    if order.holds is not HoldsStage.UNCONFIRMED:
        return Ignored("its places were confirmed before")
    return expired(order.model_copy(update={"holds": HoldsStage.LOST}))


def not_payable(order: Order) -> str:
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.FULFILLED:
            return "This order is paid already."
        case OrderStatus.NEEDS_REVIEW:
            return "This order is being looked at by the hotel; please do not pay again."
        case (
            OrderStatus.PENDING_PAYMENT
            | OrderStatus.EXPIRING
            | OrderStatus.CANCELLING
            | OrderStatus.EXPIRED
            | OrderStatus.CANCELLED
        ):
            return f"This order can no longer be paid: it is {order.status}."
        case _:
            assert_never(order.status)


def payment_started(order: Order, starting: PaymentStart, now: datetime) -> Decision[Order]:
    if order.holds is HoldsStage.UNCONFIRMED:
        raise HoldsUnconfirmedError(order.order_id)
    if order.payment_status is PaymentStatus.PROCESSING:
        return Refused(Reason.ORDER_NOT_PAYABLE, "A payment for this order is being processed.")
    if order.session is not None:
        return Ignored("the payment session is open already")
    waiting = (*order.waiting, starting.pending_reply)[-MAX_WAITERS:] if starting.pending_reply else order.waiting
    if order.session_asked_at is not None and now - order.session_asked_at < ASK_AGAIN_AFTER:
        return Applied(order.model_copy(update={"waiting": waiting}))
    ask = CreatePaymentSession(
        order_id=order.order_id,
        payment_id=order.payment_id,
        amount=order.total,
        request_no=order.session_requests + 1,
        asked_at=now,
        description=payment_description(order),
        sealed_receipt_email=starting.command.sealed_receipt_email,
    )
    asked = {"waiting": waiting, "session_asked_at": now, "session_requests": ask.request_no}
    return Applied(order.model_copy(update=asked), (ask,))


def session_created(order: Order, event: PaymentSessionCreated) -> Decision[Order]:
    opened = order.model_copy(update={"session": event.sealed_client_secret, "waiting": ()})
    reply = opened.session_reply()
    if reply is None:  # unreachable: a pending order with a session has one
        raise PermanentError(f"{order.order_id} has no reply for its session")
    return Applied(opened, tuple(DeferredReply(pending_reply, reply) for pending_reply in order.waiting))


def opened_too_late(order: Order) -> Decision[Order]:
    """A request for a session was overtaken by its closing, and opened another one: that is closed, too."""
    return Applied(order, (ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id),))


def session_failed(order: Order, event: PaymentSessionFailed) -> Decision[Order]:
    closed = order.model_copy(update={"session_asked_at": None, "waiting": ()})
    return Applied(closed, _refuse_waiting(order, Reason.PAYMENT_SESSION_FAILED, event.detail))


def session_lost(order: Order, now: datetime) -> Decision[Order]:
    """The session was cancelled at the PSP, by nobody here: the guest may open another one.

    This may be late news of an earlier session while the next is open, so the order still closes in two phases.
    """
    asked_long_ago = order.created_at if order.session_asked_at else None
    lost = order.model_copy(update={"session": None, "session_asked_at": asked_long_ago})
    return Applied(_unpaid_again(lost, now))


def processing(order: Order) -> Decision[Order]:
    return Applied(order.model_copy(update={"payment_status": PaymentStatus.PROCESSING, "due_at": None}))


def attempt_failed(order: Order, event: PaymentFailed, now: datetime) -> Decision[Order]:
    unpaid = _unpaid_again(order.model_copy(update={"payment_failure": event.detail}), now)
    if unpaid.due_at is not None and unpaid.due_at > now + order.pay_within:  # it was moved for a voucher
        unpaid = unpaid.model_copy(update={"due_at": now + order.pay_within})
    return Applied(unpaid)


def instructions_issued(order: Order, payable_until: datetime, now: datetime) -> Decision[Order]:
    """A voucher that outlives the order's deadline moves it: it may be paid on its last day and reported the day after.

    When the PSP says that the attempt failed, the usual deadline runs again.
    """
    unpaid = _unpaid_again(order, now)
    if unpaid.due_at is not None and payable_until > unpaid.due_at:
        unpaid = unpaid.model_copy(update={"due_at": payable_until + REPORTED_WITHIN})
    return Ignored("the deadline is later already") if unpaid == order else Applied(unpaid)


def _unpaid_again(order: Order, now: datetime) -> Order:
    """Back to waiting for a payment. A deadline that was suspended while one settled starts anew, in full."""
    suspended = order.status is OrderStatus.PENDING_PAYMENT and order.due_at is None
    due_at = now + order.pay_within if suspended else order.due_at
    return order.model_copy(update={"payment_status": PaymentStatus.UNPAID, "due_at": due_at})


def paid(order: Order) -> Decision[Order]:
    return confirmed(order.model_copy(update={"received": order.total}), order.waiting)


def confirmed(order: Order, waiting: tuple[PendingReply, ...]) -> Decision[Order]:
    after = _settled(order, OrderStatus.CONFIRMED).model_copy(update={"payment_failure": None})
    told = OrderConfirmed(
        order_id=order.order_id,
        property_id=order.guest.property_id,
        reservation_id=order.guest.reservation_id,
        guest_id=order.guest.guest_id,
        payment_id=order.payment_id,
        total=order.total,
        status=after.status,
        payment_status=after.payment_status,
    )
    return Applied(after, (told, *_refuse(waiting, Reason.ORDER_NOT_PAYABLE, not_payable(after))))


# Closing


def deadline_passed(order: Order, now: datetime) -> Decision[Order]:
    if order.due_at is None or now < order.due_at:
        return Stale("the deadline was moved")
    if order.session is None and order.session_asked_at is None:
        return expired(order)
    return _closing(order, OrderStatus.EXPIRING)


def cancelled_unpaid(order: Order, command: CancelOrder, now: datetime) -> Decision[Order]:
    marked = acted(order, command, ActionKind.CANCELLED, now, command.reason)
    if order.session is None and order.session_asked_at is None:
        return cancelled(marked)
    return _closing(marked, OrderStatus.CANCELLING)


def _closing(order: Order, status: OrderStatus) -> Decision[Order]:
    """First of two phases: nothing is given up before the PSP says that nobody can pay any more."""
    closing = order.model_copy(update={"status": status, "due_at": None, "waiting": ()})
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(closing, (close, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closing))))


def expired(order: Order) -> Applied[Order]:
    closed = _settled(order, OrderStatus.EXPIRED)
    event = OrderExpired(order_id=order.order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id)
    return Applied(closed, (event, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closed))))


def cancelled(order: Order, *asked: RefundPayment | ClosePaymentSession) -> Applied[Order]:
    closed = _settled(order, OrderStatus.CANCELLED)
    event = OrderCancelled(
        order_id=order.order_id,
        guest_id=order.guest.guest_id,
        property_id=order.guest.property_id,
        payment_status=closed.payment_status,
    )
    refused = _refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(closed))
    return Applied(closed, (event, *asked, *refused))


def cancelled_paid(order: Order, command: CancelOrder, now: datetime) -> Decision[Order]:
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_CANCELLABLE, DISPUTED)
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
    """The guest paid for what they will not get: all of it goes back."""
    received = order.model_copy(update={"received": event.amount})
    return cancelled_with_refund(received, "late", "paid after the order was closed", "", now)


def cancelled_with_refund(order: Order, why: str, reason: str, actor: str, now: datetime) -> Applied[Order]:
    if order.received is None:
        # A person decided before anything came: nothing may come any more, as far as the PSP can help it.
        close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
        return cancelled(order, close)
    left = order.refundable
    if not left.in_hundredths:
        return cancelled(order) if order.accepted else _surplus_reviewed(order) or cancelled(order)
    # Asked anew after one failed, it is another refund: the failed one keeps its id, here and at the PSP.
    before = sum(f"_{why}" in refund.refund_id for refund in order.refunds)
    number = f"_{before + 1}" if before else ""
    refund_id = RefundId(f"ref_{order.order_id.removeprefix('ord_')}_{why}{number}")
    failed = (each for each in order.troubled_refunds if each.stage is RefundStage.FAILED and not each.is_second_charge)
    covered = with_settled(order, failed, RefundSettlement(by=actor, at=now, reason=f"asked for again as {refund_id}"))
    asked, refund = ask_refund(covered, _refund_of(refund_id, left, reason, actor, now))
    if order.status is OrderStatus.CANCELLED:
        return Applied(_settled(asked, OrderStatus.CANCELLED), (refund,))
    return cancelled(asked, refund)


# What staff do


def fulfilled(order: Order, command: FulfilOrder, now: datetime) -> Decision[Order]:
    event = OrderFulfilled(order_id=order.order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id)
    given = acted(order, command, ActionKind.FULFILLED, now)
    return Applied(given.model_copy(update={"status": OrderStatus.FULFILLED}), (event,))


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
    amount = command.amount or left
    if (problem := unrefundable(amount, left)) is not None:
        return Refused(Reason.REFUND_EXCEEDS_PAID, f"At most {readable(left)} can be refunded: {problem}.")
    asked, refund = ask_refund(
        order, _refund_of(command.refund_id, amount, command.reason, command.staff.staff_id, now)
    )
    return Applied(asked, (refund,))


def needs_review(order: Order, detail: str, *, received: Money | None) -> Applied[Order]:
    is_open = order.status is OrderStatus.NEEDS_REVIEW
    marked = {
        "received": received,
        "review": detail,
        "reviews": order.reviews + (not is_open),
        "reviewed_from": order.reviewed_from if is_open else order.status,
    }
    reviewed = _settled(order.model_copy(update=marked), OrderStatus.NEEDS_REVIEW)
    event = OrderNeedsReview(
        order_id=order.order_id, guest_id=order.guest.guest_id, property_id=order.guest.property_id, detail=detail
    )
    return Applied(reviewed, (event, *_refuse_waiting(order, Reason.ORDER_NOT_PAYABLE, not_payable(reviewed))))


def unresolved(order: Order, detail: str) -> Decision[Order]:
    """A person decides, and until then nobody is to pay."""
    reviewed = needs_review(order, detail, received=None)
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(reviewed.state, (*reviewed.messages, close))


def received_after_all(order: Order, amount: Money) -> Decision[Order]:
    """Money that came while a person decides, or after they accepted the order without it: it can be given back."""
    return Applied(order.model_copy(update={"received": amount}))


# Money that moves afterwards


def dispute_reported(order: Order, event: DisputeEvent) -> Decision[Order]:
    """The newest fact about a dispute counts: an appeal opens again what was won or lost."""
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
    """A refund or a dispute changed what the guest has back: more than they paid is more than a closed order allows."""
    after = _out_of_review(after)
    is_more = after.status in CLOSED and after.returned > before.returned
    return (_surplus_reviewed(after) if is_more else None) or payment_changed(before, after)


def _surplus_reviewed(order: Order) -> Applied[Order] | None:
    """The order before a person, if its guest has back more than they paid."""
    if order.received is None or order.returned <= order.received.in_hundredths:
        return None
    surplus = Money.of_hundredths(order.returned - order.received.in_hundredths, order.received.currency)
    detail = f"refunded, and taken back by the guest's bank as well: {readable(surplus)} more than was paid"
    return needs_review(order, detail, received=order.received)


def payment_changed(before: Order, after: Order) -> Applied[Order]:
    """The order with its payment status as the facts have it now. A review that was about a refund ends with it."""
    after = _out_of_review(after)
    after = after.model_copy(update={"payment_status": payment_status_of(after)})
    if (after.status, after.payment_status) == (before.status, before.payment_status):
        return Applied(after)
    event = OrderPaymentChanged(
        order_id=after.order_id,
        guest_id=after.guest.guest_id,
        property_id=after.guest.property_id,
        status=after.status,
        payment_status=after.payment_status,
    )
    return Applied(after, (event,))


def _out_of_review(order: Order) -> Order:
    """Back where it was before a refund alone brought it under review, once no refund needs attention."""
    if order.back_to is None or order.troubled_refunds:
        return order
    return order.model_copy(update={"status": order.back_to, "back_to": None, "reviewed_from": None, "review": None})


# What several rows need


def payment_status_of(order: Order) -> PaymentStatus:
    """Where the money stands, derived from the payment's facts."""
    if order.open_disputes:
        return PaymentStatus.DISPUTED
    if order.lost_disputes:
        return PaymentStatus.CHARGED_BACK
    if order.status is OrderStatus.NEEDS_REVIEW:
        return PaymentStatus.MISMATCHED
    if order.received is None:
        return PaymentStatus.PAID if order.accepted and order.status is OrderStatus.CONFIRMED else PaymentStatus.UNPAID
    refunded = order.refunded.in_hundredths if order.refunded else 0
    if order.status in CLOSED:
        refunded += order.given_outside
    if refunded == 0:
        return PaymentStatus.PAID
    return PaymentStatus.REFUNDED if refunded >= order.received.in_hundredths else PaymentStatus.PARTIALLY_REFUNDED


def _settled(order: Order, status: OrderStatus) -> Order:
    """An order that waits for no payment any more."""
    closed = {"due_at": None, "session": None, "waiting": (), "open_of": None, "back_to": None}
    settled = order.model_copy(update={"status": status, **closed})
    return settled.model_copy(update={"payment_status": payment_status_of(settled)})


def _refund_of(refund_id: RefundId, amount: Money, reason: str, actor: str, now: datetime) -> RequestedRefund:
    return RequestedRefund(refund_id=refund_id, amount=amount, reason=reason, asked_by=actor, asked_at=now)


def acted(
    order: Order,
    command: CancelOrder | FulfilOrder | ResolveReview,
    action: ActionKind,
    now: datetime,
    reason: str = "",
    amount: Money | None = None,
    *,
    forced: bool = False,
) -> Order:
    """The order with a note of who did this to it, when and why."""
    staff, guest = command.staff, order.guest.guest_id
    by, role = (staff.staff_id, Role.STAFF) if staff else (guest, Role.GUEST)
    noted = OrderAction(action=action, at=now, by=by, role=role, reason=reason, amount=amount, forced=forced)
    return order.model_copy(update={"actions": (*order.actions, noted)})


def _refuse_waiting(order: Order, reason: Reason, detail: str) -> tuple[Outgoing, ...]:
    return _refuse(order.waiting, reason, detail)


def _refuse(waiting: tuple[PendingReply, ...], reason: Reason, detail: str) -> tuple[Outgoing, ...]:
    refusal = Refusal(reason=reason, detail=detail)
    return tuple(DeferredReply(pending_reply, refusal) for pending_reply in waiting)
