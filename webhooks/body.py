"""The body of a webhook: an order as it is, in the words of the contract. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.mail import OrderDescribed
from contracts.order_receipts import Receipt
from contracts.orders import OrderLine
from contracts.webhooks import OrderData, OrderWebhook, TestData, TestWebhook, WebhookLine, WebhookReceipt, WebhookType
from webhooks.feed.state import Feed, WebhookEntry


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, and the order's version in it."""

    text: str
    order_version: int | None


def body_of_test(feed: Feed, entry: WebhookEntry) -> Body:
    """What a test says."""
    test = TestWebhook(timestamp=entry.noted_at, data=TestData(subscriber_id=feed.subscriber_id))
    return Body(test.model_dump_json(), None)


def body_of(entry: WebhookEntry, described: OrderDescribed, order_version: int) -> Body:
    """What a webhook about an order says."""
    assert entry.type is not WebhookType.TEST
    data = order_data(described, order_version, about=entry.receipt)
    return Body(OrderWebhook(type=entry.type, timestamp=entry.noted_at, data=data).model_dump_json(), order_version)


def order_data(described: OrderDescribed, order_version: int, *, about: int | None) -> OrderData:
    """An order in the words of the contract. `about`: the receipt that is meant, by its place in the order."""
    order, receipts = described.order, tuple(map(_receipt, described.receipts))
    return OrderData(
        order_id=order.order_id,
        order_version=order_version,
        property_id=order.property_id,
        guest_id=order.guest_id,
        reservation_id=order.reservation_id,
        status=order.status,
        payment_status=order.payment_status,
        created_at=order.created_at,
        approve_by=order.approve_by,
        lines=_lines(order.lines, order.taken_out.lines if order.taken_out else ()),
        total=order.total,
        refunded=order.refunded,
        receipts=receipts,
        receipt=next((each for each in receipts if each.sequence == about), None),
    )


def _lines(lines: Sequence[OrderLine], taken_out: Sequence[int]) -> tuple[WebhookLine, ...]:
    return tuple(_line(number, line, number in taken_out) for number, line in enumerate(lines))


def _line(number: int, line: OrderLine, is_taken_out: bool) -> WebhookLine:
    return WebhookLine(
        line=number,
        extra_id=line.extra_id,
        name=line.name,
        quantity=line.quantity,
        day=line.day,
        slot=line.slot,
        unit_price=line.unit_price,
        price_per=line.price_per,
        nights=line.nights,
        total=line.line_total,
        vat=line.vat,
        is_taken_out=is_taken_out,
    )


def _receipt(receipt: Receipt) -> WebhookReceipt:
    return WebhookReceipt(
        number=receipt.number,
        sequence=receipt.sequence,
        receipt_kind=receipt.receipt_kind,
        amount=receipt.amount,
        is_outside=receipt.is_outside,
        refund_id=receipt.refund_id,
        issued_at=receipt.issued_at,
        shares=receipt.shares,
    )
