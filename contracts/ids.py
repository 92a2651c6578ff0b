"""Ids have types, and prefixes a person can tell apart."""

from typing import NewType

OrderId = NewType("OrderId", str)
"""`ord_…`, derived from property, guest and Idempotency-Key, so a repeated request finds the same order."""

PaymentId = NewType("PaymentId", str)
"""`pay_…`, derived from the order: one payment per order."""

RefundId = NewType("RefundId", str)
"""`ref_…`, derived from what asked for the refund, so asking twice refunds once."""

ExtraId = NewType("ExtraId", str)
GuestId = NewType("GuestId", str)
PropertyId = NewType("PropertyId", str)
ReservationId = NewType("ReservationId", str)


def payment_id_of(order_id: OrderId) -> PaymentId:
    """The one payment of an order."""
    return PaymentId("pay_" + order_id.removeprefix("ord_"))
