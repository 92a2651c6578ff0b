"""Which receipt is due next, by an order's money and the receipts it has. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.ids import RefundId
from contracts.money import Money
from contracts.order_actions import Direction
from contracts.order_receipts import Hotel, Receipt, ReceiptContent, ReceiptKind
from contracts.orders import OrderStatus
from contracts.payments import RefundStage
from extras_service.order.refund import RequestedRefund
from extras_service.order.state import Order
from extras_service.order.status import CLOSED
from extras_service.property.state import Property
from extras_service.receipt.state import FLOW, kept_lines

_DECIDED = (OrderStatus.CONFIRMED, OrderStatus.FULFILLED, *CLOSED)
"""While an order is under review, a person decides first what its money is for."""

_Receipts = tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class DueReceipt:
    """A receipt that an order's money asks for."""

    kind: ReceiptKind
    amount: Money
    is_outside: bool = False
    refund_id: RefundId | None = None
    line: int | None = None
    """The order's line that a refund is for."""


def has_money(order: Order) -> bool:
    """Whether the order may have receipts at all."""
    return order.status in _DECIDED and (order.received is not None or bool(order.settled_outside))


def next_due(order: Order, issued: _Receipts) -> DueReceipt | None:
    """The next receipt that is due, or None: the receipts say what the order's money says."""
    return next(_due(order, issued), None) if has_money(order) else None


def _due(order: Order, issued: _Receipts) -> Iterator[DueReceipt]:
    if order.received is not None:
        yield from _missing(ReceiptKind.PAYMENT, order.received, issued, is_outside=False)
    from_guest, to_guest = order.settled(Direction.FROM_GUEST), order.settled(Direction.TO_GUEST)
    yield from _missing(ReceiptKind.PAYMENT, from_guest, issued, is_outside=True)
    for refund in order.refunds:
        # A second charge and its refund are none of the order's money.
        if not refund.is_second_charge:
            yield from _of_refund(refund, issued, is_received=order.received is not None)
    yield from _missing(ReceiptKind.REFUND, to_guest, issued, is_outside=True)


def _missing(kind: ReceiptKind, total: Money, issued: _Receipts, *, is_outside: bool) -> Iterator[DueReceipt]:
    """The part of a total that no receipt of this kind has; refunds with an id have receipts of their own."""
    known = sum(
        each.amount.in_hundredths
        for each in issued
        if (each.receipt_kind, each.is_outside, each.refund_id, each.amount.currency)
        == (kind, is_outside, None, total.currency)
    )
    if total.in_hundredths > known:
        yield DueReceipt(kind, Money.of_hundredths(total.in_hundredths - known, total.currency), is_outside)


def _of_refund(refund: RequestedRefund, issued: _Receipts, *, is_received: bool) -> Iterator[DueReceipt]:
    own = [each for each in issued if each.refund_id == refund.refund_id]
    made = [each for each in own if not each.is_outside]
    is_stated = bool(made) and made[-1].receipt_kind is ReceiptKind.REFUND
    if refund.stage is RefundStage.SUCCEEDED and is_received and not made and refund.amount.in_hundredths > 0:
        yield DueReceipt(ReceiptKind.REFUND, refund.amount, refund_id=refund.refund_id, line=refund.line)
    if refund.stage is RefundStage.FAILED and is_stated:
        yield DueReceipt(ReceiptKind.REFUND_FAILED, made[-1].amount, refund_id=refund.refund_id, line=refund.line)
    outside = refund.settled.amount if refund.settled else None
    if outside is not None and outside.in_hundredths > 0 and not any(each.is_outside for each in own):
        yield DueReceipt(ReceiptKind.REFUND, outside, is_outside=True, refund_id=refund.refund_id, line=refund.line)


def content_of(order: Order, due: DueReceipt, issued: _Receipts, hotel: Property | None) -> ReceiptContent:
    """The receipt without its number."""
    return ReceiptContent(
        order_id=order.order_id,
        property_id=order.guest.property_id,
        sequence=len(issued) + 1,
        receipt_kind=due.kind,
        amount=due.amount,
        is_outside=due.is_outside,
        refund_id=due.refund_id,
        shares=kept_lines(order, issued).split(due.amount, FLOW[due.kind], due.line),
        hotel=_hotel(order, hotel),
    )


def _hotel(order: Order, hotel: Property | None) -> Hotel:
    if hotel is None:
        return Hotel(time_zone=order.time_zone)
    defined = hotel.definition
    return Hotel(
        property_version=hotel.current.number,
        name=defined.name,
        address=defined.address,
        vat_id=defined.vat_id,
        contact_email=defined.contact_email,
        contact_phone=defined.contact_phone,
        time_zone=defined.time_zone,
        languages=defined.languages,
    )
