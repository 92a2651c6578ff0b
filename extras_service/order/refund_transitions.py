"""Transitions for refunds: events about them, and staff's handling of failed ones."""

from datetime import datetime

from chassis.amounts import readable
from chassis.decision import Applied, Decision, Ignored, Refused, Stale
from contracts.ids import RefundId
from contracts.money import Money, unrefundable
from contracts.orders import (
    OrderRefundFailed,
    OrderStatus,
    Reason,
    RefundSettlement,
    RetryRefund,
    SettleRefundOutside,
)
from contracts.payments import PaymentRefunded, PaymentRefundFailed, PaymentUnresolved, RefundStage
from extras_service.order.money import DISPUTED, money_moved, needs_review, payment_changed
from extras_service.order.refund import RequestedRefund
from extras_service.order.refund_requests import ask_again, with_refund
from extras_service.order.state import Order
from extras_service.order.status import CLOSED

_DECIDED = (*CLOSED, OrderStatus.CONFIRMED, OrderStatus.FULFILLED)

_BY_THE_PSP = "made at the PSP"


# Events


def settled(order: Order, event: PaymentRefunded, now: datetime) -> Decision[Order]:
    """A refund moved forward at the PSP."""
    changed = _with_totals(order, event)
    known = _known(order, event, now)
    if event.amount is not None or known in order.refunds:
        changed = with_refund(changed, known.moved(event.stage))
    if event.doubles is not None and event.doubles not in order.doubled_refunds:
        changed = changed.model_copy(update={"doubled_refunds": (*order.doubled_refunds, event.doubles)})
        # A doubled refund is news even if newer events have overtaken it.
        has_failed = event.doubles in order.failed_refunds
        how = "after it had refused it, as" if has_failed else "twice, the second time as"
        detail = f"the PSP made the refund {event.doubles} {how} {event.refund_id}"
        return needs_review(changed, detail, received=order.received)
    if _is_made_after_all(known, event):
        changed = changed.model_copy(update={"doubled_refunds": (*order.doubled_refunds, known.refund_id)})
        detail = f"the PSP made the refund {known.refund_id} of {readable(known.amount)} after staff had settled it"
        return needs_review(changed, detail, received=order.received)
    if changed == order:
        return Stale("overtaken by a newer fact about the payment")
    return _changed(order, changed)


def _is_made_after_all(known: RequestedRefund, event: PaymentRefunded) -> bool:
    """Staff had settled it outside while it had no outcome: the guest may have received the money twice."""
    had_no_outcome = known.stage in (RefundStage.REQUESTED, RefundStage.PENDING)
    return had_no_outcome and known.settled is not None and event.stage is RefundStage.SUCCEEDED


def failed(order: Order, event: PaymentRefundFailed, now: datetime) -> Decision[Order]:
    """A failed refund stays failed: that is news even if newer events have overtaken it."""
    changed = _with_totals(order, event)
    if event.refund_id in order.failed_refunds:
        return Stale("this refund has failed already") if changed == order else _changed(order, changed)
    changed = changed.model_copy(update={"failed_refunds": (*order.failed_refunds, event.refund_id)})
    refund = _known(order, event, now).moved(RefundStage.FAILED, event.detail)
    return _in_trouble(order, with_refund(changed, refund), refund, f"a refund failed: {event.detail}")


def unanswered(order: Order, event: PaymentUnresolved, refund_id: RefundId, now: datetime) -> Decision[Order]:
    """The PSP has not reported on a refund for days."""
    known = order.refund(refund_id) or _new(refund_id, event.amount, event.is_second_charge, order, now)
    if known.unanswered or known.stage in (RefundStage.SUCCEEDED, RefundStage.FAILED):
        return Stale("this refund has its outcome, or is known to have none")
    refund = known.model_copy(update={"unanswered": True, "detail": event.detail})
    return _in_trouble(order, with_refund(order, refund), refund, f"a refund has no outcome: {event.detail}")


def _in_trouble(before: Order, after: Order, refund: RequestedRefund, detail: str) -> Decision[Order]:
    """Staff are notified, unless the guest has received all the money in another way."""
    if refund not in after.troubled_refunds:
        return _changed(before, after)
    event = OrderRefundFailed(
        **after.about,
        refund_id=refund.refund_id,
        amount=refund.amount,
        stage=refund.stage,
        detail=refund.detail,
    )
    if not _must_be_decided(after, refund):
        changed = _changed(before, after)
        return Applied(changed.state, (*changed.messages, event))
    reviewed = needs_review(after, detail, received=after.received)
    back_to = before.status if before.status in _DECIDED else None
    return Applied(reviewed.state.model_copy(update={"back_to": back_to}), (*reviewed.messages, event))


def _changed(before: Order, after: Order) -> Applied[Order]:
    """An event about a refund may overtake the payment itself, whose status it does not contain."""
    return Applied(after) if after.received is None else money_moved(before, after)


def _must_be_decided(order: Order, refund: RequestedRefund) -> bool:
    """The hotel holds the guest's money without owing anything for it."""
    return order.status in CLOSED or (refund.is_second_charge and order.status is not OrderStatus.NEEDS_REVIEW)


def _with_totals(order: Order, event: PaymentRefunded | PaymentRefundFailed) -> Order:
    if event.fact_no <= order.latest_fact_no:
        return order
    return order.model_copy(update={"refunded": event.refunded, "latest_fact_no": event.fact_no})


def _known(order: Order, event: PaymentRefunded | PaymentRefundFailed, now: datetime) -> RequestedRefund:
    return order.refund(event.refund_id) or _new(event.refund_id, event.amount, event.is_second_charge, order, now)


def _new(
    refund_id: RefundId, amount: Money | None, is_second_charge: bool, order: Order, now: datetime
) -> RequestedRefund:
    """A refund that the order has not requested."""
    return RequestedRefund(
        refund_id=refund_id,
        amount=amount or Money.zero(order.total.currency),
        reason="the guest paid twice" if is_second_charge else _BY_THE_PSP,
        asked_at=now,
        is_second_charge=is_second_charge,
    )


# Staff's actions


def retried(order: Order, command: RetryRefund, now: datetime) -> Decision[Order]:
    """The refund is requested again, for the same charge and amount."""
    refund = order.refund(command.refund_id)
    if refund is not None and any(each.repeats == refund.refund_id for each in order.refunds):
        return Ignored("asked for again already")
    if refund is None or refund not in order.troubled_refunds:
        return _not_failed(command.refund_id)
    if order.is_contested:
        return Refused(Reason.ORDER_NOT_REFUNDABLE, DISPUTED)
    if refund.stage is RefundStage.PENDING:
        return Refused(
            Reason.ORDER_NOT_REFUNDABLE,
            "The payment provider has this refund and is not done with it: ask there, or settle it outside.",
        )
    left = order.refundable if refund.stage is RefundStage.FAILED and not refund.is_second_charge else refund.amount
    if (problem := unrefundable(refund.amount, left)) is not None:
        return Refused(Reason.REFUND_EXCEEDS_PAID, f"At most {readable(left)} can be refunded: {problem}.")
    asked, again = ask_again(order, refund, command.staff.staff_id, command.reason, now)
    changed = payment_changed(order, asked)
    return Applied(changed.state, (*changed.messages, again))


def settled_outside(order: Order, command: SettleRefundOutside, now: datetime) -> Decision[Order]:
    """The guest has received the money in another way."""
    refund = order.refund(command.refund_id)
    if refund is not None and refund.settled is not None and refund.settled.amount == command.amount:
        return Ignored("settled outside already")
    if refund is None or refund not in order.troubled_refunds:
        return _not_failed(command.refund_id)
    most = _most_outside(order, refund)
    is_owed_whole = refund.is_second_charge or order.status not in (OrderStatus.CONFIRMED, OrderStatus.FULFILLED)
    least = max(1, most.in_hundredths) if is_owed_whole else 1
    if command.amount.currency != most.currency or not least <= command.amount.in_hundredths <= most.in_hundredths:
        of_it = "all of that" if is_owed_whole else "that, or less"
        return Refused(
            Reason.REFUND_EXCEEDS_PAID,
            f"{readable(most)} of this refund are not on their way back: it is settled when the guest has {of_it}.",
        )
    settlement = RefundSettlement(by=command.staff.staff_id, at=now, reason=command.reason, amount=command.amount)
    return payment_changed(order, with_refund(order, refund.model_copy(update={"settled": settlement})))


def _most_outside(order: Order, refund: RequestedRefund) -> Money:
    """The part of a refund that no other refund covers."""
    if refund.is_second_charge or refund.stage is not RefundStage.FAILED:
        return refund.amount
    return min(refund.amount, order.refundable, key=lambda money: money.in_hundredths)


def _not_failed(refund_id: RefundId) -> Refused:
    return Refused(Reason.REFUND_NOT_FAILED, f"This order has no failed refund {refund_id} that is still open.")
