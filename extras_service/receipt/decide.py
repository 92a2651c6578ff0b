"""The table of decisions on an order's receipts. Pure."""

from datetime import datetime

from chassis.decision import Applied, Decision, Ignored
from extras_service.receipt.inputs import ReceiptInput
from extras_service.receipt.state import OrderReceipts


def decide(filed: OrderReceipts | None, message: ReceiptInput, _now: datetime) -> Decision[OrderReceipts]:
    """File a receipt with its order, once."""
    receipt = message.receipt
    if filed is None:
        return Applied(
            OrderReceipts(
                order_id=receipt.order_id,
                property_id=receipt.property_id,
                created_at=receipt.issued_at,
                receipts=(receipt,),
            )
        )
    if any(each.number == receipt.number for each in filed.receipts):
        return Ignored("filed already")
    receipts = sorted((*filed.receipts, receipt), key=lambda each: each.number)
    return Applied(filed.model_copy(update={"receipts": tuple(receipts)}))
