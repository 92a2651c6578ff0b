"""Typed ids, with prefixes that people can distinguish."""

import hashlib
from typing import NewType

MAX_ID = 255
"""Bytes of an id on the wire: AMQP's limit for a message id or a correlation id."""

OrderId = NewType("OrderId", str)
"""`ord_…`, derived from property, guest and Idempotency-Key, so a repeated request finds the same order."""

PaymentId = NewType("PaymentId", str)
"""`pay_…`, derived from the order: one payment per order."""

RefundId = NewType("RefundId", str)
"""`ref_…`, derived from the request for the refund, so that a repeated request refunds once."""

MailId = NewType("MailId", str)
"""`mail_…`, derived from what a mail is about, so that a repeated event finds the same mail."""

SubscriberId = NewType("SubscriberId", str)
"""`whs_…`, drawn when a subscriber of webhooks is added."""

WebhookId = NewType("WebhookId", str)
"""`msg_…`, derived from subscriber, order and what a webhook is about, so that a repeated event finds the same one."""

ExtraId = NewType("ExtraId", str)
GuestId = NewType("GuestId", str)
PropertyId = NewType("PropertyId", str)
ReservationId = NewType("ReservationId", str)


def payment_id_of(order_id: OrderId) -> PaymentId:
    """The one payment of an order."""
    return PaymentId("pay_" + order_id.removeprefix("ord_"))


def order_id_of(payment_id: PaymentId) -> OrderId:
    """The order of a payment."""
    return OrderId("ord_" + payment_id.removeprefix("pay_"))


def bounded_id(text: str) -> str:
    """`text` as an id. If it exceeds MAX_ID, its beginning and a digest of the whole: equal for equal texts."""
    if len(text.encode()) <= MAX_ID:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text.encode()[: MAX_ID - len(digest) - 1].decode(errors='ignore')}~{digest}"
