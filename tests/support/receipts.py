"""Receipts for tests: an order's money, and the receipts that it leads to."""

from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_receipts import Receipt
from contracts.payments import PaymentRefunded, RefundStage
from contracts.vat import vat_of
from extras_service.order.state import Order
from extras_service.property.state import Property
from extras_service.receipt.due import content_of, next_due
from tests.support import orders as given

RATE = 1000


def taxed(order: Order, rate: int | None = RATE) -> Order:
    """The order with this rate on all of its lines."""
    lines = tuple(line.model_copy(update={"vat": vat_of(line.line_total, rate)}) for line in order.lines)
    return order.model_copy(update={"lines": lines})


def issued(order: Order, *before: Receipt, hotel: Property | None = None) -> tuple[Receipt, ...]:
    """All receipts of an order once every one that is due has been issued after these."""
    receipts = list(before)
    while (due := next_due(order, tuple(receipts))) is not None:
        content = content_of(order, due, tuple(receipts), hotel)
        receipts.append(Receipt(number=len(receipts) + 1, issued_at=given.NOW, **dict(content)))
    return tuple(receipts)


def refund_made(amount: int, *, fact_no: int = 1, refund_id: RefundId = given.REFUND_ID) -> PaymentRefunded:
    """The PSP has made a refund."""
    reported = given.refunded(amount, fact_no=fact_no, refund_id=refund_id)
    return reported.model_copy(update={"amount": eur(amount), "stage": RefundStage.SUCCEEDED})


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")
