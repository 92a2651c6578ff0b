"""Which e-mail an event asks for. Pure."""

from typing import assert_never

from contracts.approvals import OrderApprovalNeeded, OrderDeclined
from contracts.order_receipts import Receipt, ReceiptIssued, ReceiptKind
from contracts.orders import OrderCancelled, OrderNeedsReview, OrderRefundFailed
from notifications.mail.state import Template, WantedMail

_OrderEvent = OrderCancelled | OrderDeclined | OrderApprovalNeeded | OrderNeedsReview | OrderRefundFailed
MailedEvent = ReceiptIssued | _OrderEvent


def mail_of(event: MailedEvent, message_id: str) -> WantedMail | str:
    """The e-mail, or the reason for none."""
    match event:
        case ReceiptIssued(receipt=receipt):
            return _of_receipt(event, receipt)
        case OrderCancelled():
            return _wanted(event, Template.CANCELLED)
        case OrderDeclined():
            return _wanted(event, Template.DECLINED)
        case OrderApprovalNeeded(is_reminder=is_reminder):
            return _wanted(event, Template.APPROVAL_REMINDER if is_reminder else Template.APPROVAL_NEEDED)
        case OrderNeedsReview():
            # An order may come under review more than once, for the same reason.
            return _wanted(event, Template.REVIEW, message_id)
        case OrderRefundFailed(refund_id=refund_id, stage=stage):
            return _wanted(event, Template.REFUND_FAILED, f"{refund_id}:{stage}")
        case _:
            assert_never(event)


def _of_receipt(event: ReceiptIssued, receipt: Receipt) -> WantedMail | str:
    """The first payment confirms an order: its receipt is issued then, and says all that the mail says."""
    match receipt.receipt_kind:
        case ReceiptKind.PAYMENT:
            template, about = Template.CONFIRMED, ""
        case ReceiptKind.REFUND:
            template, about = Template.REFUNDED, str(receipt.sequence)
        case ReceiptKind.REFUND_FAILED:
            return "of a refund that failed, the reception hears by another event"
        case _:
            assert_never(receipt.receipt_kind)
    return WantedMail(
        template=template,
        order_id=event.order_id,
        property_id=receipt.property_id,
        guest_id=event.guest_id,
        about=about,
    )


def _wanted(event: _OrderEvent, template: Template, about: str = "") -> WantedMail:
    return WantedMail(
        template=template,
        order_id=event.order_id,
        property_id=event.property_id,
        guest_id=event.guest_id,
        about=about,
    )
