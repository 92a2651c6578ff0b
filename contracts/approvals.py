"""Orders that the hotel approves before the guest is charged: staff's commands, and the events about them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.ids import GuestId, PropertyId, ReservationId
from contracts.message import OrderCommand, OrderEvent
from contracts.money import Money
from contracts.orders import OrderLine, PaymentStatus, Staff, TakenOut

# Commands


class ApproveOrder(OrderCommand):
    """Staff approve an order, or a part of it: its total of what the guest's bank has authorised is captured."""

    kind: Literal["orders.approve-order.v1"] = "orders.approve-order.v1"
    staff: Staff
    without_lines: tuple[int, ...] = Field(
        default=(), description="lines that are taken out of the order first: their numbers, from 0"
    )
    reason: str = Field(default="", description="why lines are taken out: the guest reads it")


class DeclineOrder(OrderCommand):
    """Staff decline an order: the authorisation is voided, and the guest is not charged."""

    kind: Literal["orders.decline-order.v1"] = "orders.decline-order.v1"
    staff: Staff
    reason: str = Field(description="the guest reads it")


# Events


class OrderApprovalNeeded(OrderEvent):
    """The guest's bank has authorised the payment of an order that the hotel approves first."""

    kind: Literal["orders.order-approval-needed.v1"] = "orders.order-approval-needed.v1"
    guest_id: GuestId
    property_id: PropertyId
    reservation_id: ReservationId
    lines: tuple[OrderLine, ...]
    total: Money
    approve_by: datetime = Field(description="then it is declined by itself, before the authorisation lapses")
    is_reminder: bool = False


class OrderApproved(OrderEvent):
    """Staff have approved the order, or a part of it; its total is being captured."""

    kind: Literal["orders.order-approved.v1"] = "orders.order-approved.v1"
    guest_id: GuestId
    property_id: PropertyId
    total: Money | None = Field(default=None, description="what is being captured; none from older services")
    taken_out: TakenOut | None = Field(default=None, description="lines that staff took out, and why")


class OrderDeclined(OrderEvent):
    """The order was declined; what had been paid, if anything, is refunded."""

    kind: Literal["orders.order-declined.v1"] = "orders.order-declined.v1"
    guest_id: GuestId
    property_id: PropertyId
    payment_status: PaymentStatus
    reason: str
