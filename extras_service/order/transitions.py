"""Transitions of placement."""

from datetime import datetime

from chassis.decision import Applied, Decision, Duplicate, Ignored, Refused
from contracts.ids import payment_id_of
from contracts.orders import (
    OrderPendingPayment,
    OrderStatus,
    PaymentStatus,
    PlaceOrder,
    Reason,
)
from extras_service.catalogue.quote import Quote, gone_by
from extras_service.order.closure import expired
from extras_service.order.inputs import PlacementRequest
from extras_service.order.state import HoldsStage, Order, guest_key

_HOLDS_LOST = "The order took too long, and one of its extras is taken meanwhile. Please order again."


def placed(placing: PlacementRequest, now: datetime) -> Decision[Order]:
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
        psp_account=placing.psp_account,
        open_of=guest_key(command.guest.guest_id, command.guest.property_id),
        holds=HoldsStage.UNCONFIRMED if placing.needs_holds else HoldsStage.CONFIRMED,
        due_at=due_at,
    )
    pending = OrderPendingPayment(
        **order.about,
        reservation_id=order.guest.reservation_id,
        lines=order.lines,
        total=order.total,
        pay_until=due_at,
    )
    return Applied(order, (pending,))


def _cut_off(placing: PlacementRequest, priced: Quote) -> datetime:
    """Until when a guest may cancel a paid order, counted back from its first day, or slot, at the property."""
    stay_from = placing.command.guest.stay_from
    begins = min(placing.catalogue[line.extra_id].begins(line.day or stay_from, line.slot) for line in priced.lines)
    return begins - placing.cancel_until


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
    """The order must never be paid, so it expires at once. No payment session was requested before its confirmation."""
    if order.holds is not HoldsStage.UNCONFIRMED:
        return Ignored("its places were confirmed before")
    return expired(order.model_copy(update={"holds": HoldsStage.LOST}))
