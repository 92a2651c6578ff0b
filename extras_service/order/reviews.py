"""Decisions on reviews by staff: the order is confirmed, refunded, or was settled outside the PSP."""

from datetime import datetime

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Refused
from contracts.money import Money
from contracts.order_actions import ActionKind, Direction, ReviewResolution, SettledOutside
from contracts.orders import OrderPaymentChanged, OrderStatus, Reason, RefundSettlement, ResolveReview
from contracts.payments import ClosePaymentSession, RefundPayment, RefundStage
from extras_service.order.closure import cancelled, cancelled_with_refund, expired
from extras_service.order.inputs import AnotherReviewError, ReviewDecision
from extras_service.order.payment import confirmed
from extras_service.order.refund import RequestedRefund
from extras_service.order.refund_requests import ask_again, with_settled
from extras_service.order.state import Order
from extras_service.order.status import acted, payment_status_of

_KEPT = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)


def review_resolved(order: Order, resolving: ReviewDecision, now: datetime) -> Decision[Order]:
    """Raises AnotherReviewError when the order's places were held for an earlier review than the one that is open."""
    command = resolving.command
    match command.resolution:
        case ReviewResolution.ACCEPT:
            return _accepted(order, resolving, now)
        case ReviewResolution.REFUND:
            return _refunded(order, command, now)
        case ReviewResolution.SETTLED_OUTSIDE:
            return _settled_outside(order, command, now)


def status_before(order: Order) -> OrderStatus:
    """The status that the open review interrupted; for a review that an earlier version opened, as far as known."""
    if order.reviewed_from is not None:
        return order.reviewed_from
    is_closed = order.closed_by is not None or bool(order.refunds)
    return OrderStatus.CANCELLED if is_closed else OrderStatus.PENDING_PAYMENT


def _accepted(order: Order, resolving: ReviewDecision, now: datetime) -> Decision[Order]:
    command = resolving.command
    if resolving.review_no != order.reviews:
        raise AnotherReviewError(order.order_id)
    if resolving.no_places is not None:
        detail = f"{resolving.no_places.detail} Refund the order, or confirm it all the same with `force`."
        return Refused(resolving.no_places.reason, detail)
    if command.amount is not None and (problem := _unsettleable(command.amount, order.total)):
        return problem
    own_refunds = (refund for refund in order.troubled_refunds if not refund.is_second_charge)
    decided = with_settled(_decided(order), own_refunds, _settlement(command, now))
    paid = _with_money(decided, command.amount, Direction.FROM_GUEST, command, now)
    accepted = acted(
        paid, command, ActionKind.REVIEW_ACCEPTED, now, command.reason, command.amount, forced=command.force
    )
    if status_before(order) is OrderStatus.FULFILLED:
        return _as_before(accepted, OrderStatus.FULFILLED)
    return confirmed(accepted, ())


def _refunded(order: Order, command: ResolveReview, now: datetime) -> Decision[Order]:
    by = command.staff.staff_id
    resolved = acted(_decided(order), command, ActionKind.REVIEW_REFUNDED, now, command.reason)
    again: list[RefundPayment] = []
    for refund in order.troubled_refunds:
        if refund.is_second_charge and refund.stage is RefundStage.FAILED:
            resolved, asked = ask_again(resolved, refund, by, command.reason, now)
            again.append(asked)
    decided = cancelled_with_refund(resolved, "review", command.reason, by, now)
    return Applied(decided.state, (*decided.messages, *again))


def _settled_outside(order: Order, command: ResolveReview, now: datetime) -> Decision[Order]:
    """The money was settled outside the PSP: the order keeps its status from before the review."""
    before = status_before(order)
    second = tuple(refund for refund in order.troubled_refunds if refund.is_second_charge)
    if before in _KEPT and second:
        return _second_charges_settled(order, second, before, command, now)
    if before in _KEPT:
        direction, most, amount = Direction.FROM_GUEST, order.total, command.amount
    else:
        unmade = _without_outcome(order)
        direction, most = Direction.TO_GUEST, order.refundable + unmade if order.received else order.total
        amount = command.amount or order.refundable + unmade
    if amount is None:
        return Refused(Reason.AMOUNT_NOT_SETTLEABLE, "Say how much the guest has paid outside.")
    if amount.in_hundredths and (problem := _unsettleable(amount, most)):
        return problem
    own_refunds = (refund for refund in order.troubled_refunds if not refund.is_second_charge)
    decided = with_settled(_decided(order), own_refunds, _settlement(command, now))
    paid = _with_money(_with_second_charges(decided, second, command, now), amount, direction, command, now)
    resolved = acted(paid, command, ActionKind.REVIEW_SETTLED_OUTSIDE, now, command.reason, amount)
    if before in _KEPT:
        return _as_before(resolved, before)
    closed = expired(resolved) if before is OrderStatus.EXPIRED else cancelled(resolved)
    if order.received is not None:
        return closed
    # As far as possible, no payment may arrive any more.
    close = ClosePaymentSession(order_id=order.order_id, payment_id=order.payment_id)
    return Applied(closed.state, (*closed.messages, close))


def _without_outcome(order: Order) -> Money:
    """The amount of refunds without an outcome that the guest receives outside instead."""
    own = (refund for refund in order.troubled_refunds if not refund.is_second_charge)
    unmade = (refund.amount for refund in own if refund.stage is not RefundStage.FAILED)
    return sum(unmade, start=Money.zero((order.received or order.total).currency))


def _second_charges_settled(
    order: Order, second: tuple[RequestedRefund, ...], before: OrderStatus, command: ResolveReview, now: datetime
) -> Decision[Order]:
    """The guest has received a second charge back outside the PSP; the order itself is unaffected."""
    whole = sum((refund.amount for refund in second), start=Money.zero(second[0].amount.currency))
    if command.amount not in (None, whole):
        return Refused(Reason.AMOUNT_NOT_SETTLEABLE, f"The second charge was {readable(whole)}: all of it goes back.")
    paid = _with_second_charges(_decided(order), second, command, now)
    return _as_before(acted(paid, command, ActionKind.REVIEW_SETTLED_OUTSIDE, now, command.reason, whole), before)


def _decided(order: Order) -> Order:
    return order.model_copy(
        update={"review": None, "reviewed_from": None, "unapproved": False, "back_to": None, "accepted": True}
    )


def _settlement(command: ResolveReview, now: datetime, amount: Money | None = None) -> RefundSettlement:
    return RefundSettlement(by=command.staff.staff_id, at=now, reason=command.reason, amount=amount)


def _with_second_charges(
    order: Order, refunds: tuple[RequestedRefund, ...], command: ResolveReview, now: datetime
) -> Order:
    """Failed refunds of a second charge are settled only in full: no part of it belongs to the hotel."""
    for refund in refunds:
        order = with_settled(order, (refund,), _settlement(command, now, refund.amount))
    return order


def _with_money(
    order: Order, amount: Money | None, direction: Direction, command: ResolveReview, now: datetime
) -> Order:
    if amount is None or amount.in_hundredths == 0:
        return order
    settled = SettledOutside(
        amount=amount, direction=direction, at=now, by=command.staff.staff_id, reason=command.reason
    )
    return order.model_copy(update={"settled_outside": (*order.settled_outside, settled)})


def _unsettleable(amount: Money, most: Money) -> Refused | None:
    if amount.currency == most.currency and 0 < amount.in_hundredths <= most.in_hundredths:
        return None
    return Refused(Reason.AMOUNT_NOT_SETTLEABLE, f"At most {readable(most)} can have been settled outside.")


def _as_before(order: Order, status: OrderStatus) -> Decision[Order]:
    decided = order.model_copy(update={"status": status})
    decided = decided.model_copy(update={"payment_status": payment_status_of(decided)})
    event = OrderPaymentChanged(
        **decided.about,
        status=decided.status,
        payment_status=decided.payment_status,
    )
    return Applied(decided, (event,))
