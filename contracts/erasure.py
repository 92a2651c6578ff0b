"""Erasure of what orders and payments say of a guest (docs/privacy.md)."""

from typing import Literal

from pydantic import Field

from contracts.ids import GuestId, PaymentId, PropertyId
from contracts.message import OrderCommand, OrderEvent

_PSEUDONYM = "stands for the guest from then on"


# Commands


class EraseOrder(OrderCommand):
    """An operator has an order forget its guest: at once if it is final, else once it is. No money moves."""

    kind: Literal["orders.erase-order.v1"] = "orders.erase-order.v1"
    property_id: PropertyId
    pseudonym: str = Field(min_length=1, max_length=100, description=_PSEUDONYM)


class ErasePayment(OrderCommand):
    """The order has forgotten its guest; so does its payment."""

    kind: Literal["payments.erase-payment.v1"] = "payments.erase-payment.v1"
    payment_id: PaymentId
    pseudonym: str = Field(description=_PSEUDONYM)


# Events


class OrderErased(OrderEvent):
    """The order has forgotten its guest; amounts, days and ids stay."""

    kind: Literal["orders.order-erased.v1"] = "orders.order-erased.v1"
    guest_id: GuestId = Field(description="the pseudonym that stands for the guest from now on")
    property_id: PropertyId
