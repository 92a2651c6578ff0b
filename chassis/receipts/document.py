"""The receipts of an order, summed. Pure."""

from collections.abc import Iterable, Sequence

from contracts.answers import OrderReceiptsAnswer, ReceiptAnswer
from contracts.money import Money
from contracts.order_receipts import Receipt, ReceiptKind, ReceiptsReply
from contracts.vat import Vat, VatShare, VatSum, sums_by_rate


def document_of(reply: ReceiptsReply) -> OrderReceiptsAnswer:
    """The answer to a request for the receipts of an order. There is at least one."""
    currency = reply.receipts[0].amount.currency
    counted = [each for each in reply.receipts if each.amount.currency == currency]
    paid = _sum(counted, currency, ReceiptKind.PAYMENT)
    refunded = _sum(counted, currency, ReceiptKind.REFUND) - _sum(counted, currency, ReceiptKind.REFUND_FAILED)
    order = reply.order
    return OrderReceiptsAnswer(
        order_id=order.order_id,
        property_id=order.property_id,
        reservation_id=order.reservation_id,
        lines=order.lines,
        receipts=tuple(ReceiptAnswer(vat=sums_by_rate(each.shares), **dict(each)) for each in reply.receipts),
        paid=paid,
        refunded=refunded,
        kept=paid - refunded,
        vat=_kept(counted),
    )


def _sum(receipts: Sequence[Receipt], currency: str, kind: ReceiptKind) -> Money:
    amounts = (each.amount for each in receipts if each.receipt_kind is kind)
    return sum(amounts, start=Money.zero(currency))


def _kept(receipts: Iterable[Receipt]) -> tuple[VatSum, ...]:
    signed = (
        share if each.receipt_kind is not ReceiptKind.REFUND else _negative(share)
        for each in receipts
        for share in each.shares
    )
    return tuple(each for each in sums_by_rate(signed) if each.gross.in_hundredths)


def _negative(share: VatShare) -> VatShare:
    vat = share.vat and Vat(rate=share.vat.rate, net=share.vat.net * -1, tax=share.vat.tax * -1)
    return VatShare(line=share.line, gross=share.gross * -1, vat=vat)
