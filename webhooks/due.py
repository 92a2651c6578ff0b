"""Which webhook an event asks for. Pure."""

from dataclasses import dataclass
from typing import assert_never

from contracts.approvals import OrderApprovalNeeded, OrderDeclined
from contracts.ids import OrderId, PropertyId
from contracts.order_receipts import ReceiptIssued, ReceiptKind
from contracts.orders import (
    OrderCancelled,
    OrderFulfilled,
    OrderLinesFulfilled,
    OrderNeedsReview,
    OrderPaymentChanged,
    OrderRefundFailed,
)
from contracts.webhooks import WebhookType

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
            is_payment = receipt.receipt_kind is ReceiptKind.PAYMENT
            kind = WebhookType.CONFIRMED if is_payment else WebhookType.REFUNDED
            place = receipt.sequence
            return Subject(kind, event.order_id, receipt.property_id, str(place), place)
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


def _of(event: _OrderEvent, kind: WebhookType, about: str) -> Subject:
    return Subject(kind, event.order_id, event.property_id, about)
