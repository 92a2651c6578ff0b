"""Which webhook an event asks for. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from contracts.approvals import OrderApprovalNeeded, OrderDeclined
from contracts.ids import OrderId, PropertyId
from contracts.order_receipts import Receipt, ReceiptIssued, ReceiptKind
from contracts.orders import (
    OrderCancelled,
    OrderFulfilled,
    OrderLinesFulfilled,
    OrderNeedsReview,
    OrderPaymentChanged,
    OrderRefundFailed,
)
from contracts.topology import RETRY_LADDER
from contracts.webhooks import WebhookType
from webhooks.feed.state import Feed, WebhookEntry
from webhooks.subscriber.state import Subscriber

HELD_FOR = timedelta(seconds=sum(tier.seconds for tier in RETRY_LADDER)) + timedelta(minutes=1)
"""How long a webhook about a receipt is held for an earlier one: as long as all retry tiers take, and a minute."""

_OrderEvent = (
    OrderCancelled
    | OrderDeclined
    | OrderApprovalNeeded
    | OrderNeedsReview
    | OrderRefundFailed
    | OrderFulfilled
    | OrderLinesFulfilled
    | OrderPaymentChanged
)
ReportedEvent = ReceiptIssued | _OrderEvent


@dataclass(frozen=True, slots=True)
class Subject:
    """What a webhook is about."""

    type: WebhookType
    order_id: OrderId
    property_id: PropertyId
    about: str
    """What tells it from another one of this type and order, whatever message reports it."""
    receipt: int | None = None


def subject_of(event: ReportedEvent, message_id: str) -> Subject:
    """What the webhook about an event is about."""
    match event:
        case ReceiptIssued(receipt=receipt):
            place = receipt.sequence
            return Subject(_kind_of(receipt), event.order_id, receipt.property_id, str(place), place)
        case OrderCancelled():
            return _of(event, WebhookType.CANCELLED, "cancelled")
        case OrderDeclined():
            return _of(event, WebhookType.CANCELLED, "declined")
        case OrderApprovalNeeded(is_reminder=is_reminder):
            return _of(event, WebhookType.APPROVAL_NEEDED, "reminder" if is_reminder else "")
        case OrderFulfilled():
            return _of(event, WebhookType.CHANGED, "fulfilled")
        case OrderRefundFailed(refund_id=refund_id, stage=stage):
            return _of(event, WebhookType.CHANGED, f"{refund_id}:{stage}")
        case OrderNeedsReview() | OrderLinesFulfilled() | OrderPaymentChanged():
            # An order may be changed in such a way more than once.
            return _of(event, WebhookType.CHANGED, message_id)
        case _:
            assert_never(event)


def awaited_before(
    entry: WebhookEntry, feed: Feed, receipts: Iterable[Receipt], subscriber: Subscriber, now: datetime
) -> Receipt | None:
    """The first receipt of the order that this subscriber is to hear of before the one in `entry`, and whose event has
    not come yet: it is being retried. None once its retries must be over: that event is a dead letter by then.
    """
    if entry.receipt is None or now - entry.noted_at > HELD_FOR:
        return None
    noted = {each.receipt for each in feed.entries}
    for receipt in receipts:
        is_missing = receipt.sequence < entry.receipt and receipt.sequence not in noted
        is_wanted = subscriber.wants(receipt.property_id, _kind_of(receipt))
        if is_missing and is_wanted and receipt.issued_at >= subscriber.created_at:
            return receipt
    return None


def _kind_of(receipt: Receipt) -> WebhookType:
    return WebhookType.CONFIRMED if receipt.receipt_kind is ReceiptKind.PAYMENT else WebhookType.REFUNDED


def _of(event: _OrderEvent, kind: WebhookType, about: str) -> Subject:
    return Subject(kind, event.order_id, event.property_id, about)
