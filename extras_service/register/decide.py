"""The register's table of decisions. Pure.

A number is taken in the write that makes the receipt: it leaves with the register's document, in its outbox, as
ReceiptIssued. So there is no number without a receipt, whatever crashes in between.
"""

from datetime import datetime
from typing import assert_never

from chassis.decision import Applied, Decision, Ignored
from contracts.ids import PropertyId
from contracts.order_receipts import Receipt, ReceiptIssued
from extras_service.register.inputs import (
    AdoptReceipt,
    NumberReceipt,
    RegisterFullError,
    RegisterInput,
    RegisterMovedError,
)
from extras_service.register.state import Register

REMEMBERED = 1
"""Receipts that are remembered although they are filed, so that a second request for one of them is recognised without
reading the order again."""
MOST_OPEN = 5
"""Receipts that are remembered at most."""


def decide(register: Register | None, message: RegisterInput, now: datetime) -> Decision[Register]:
    """Decide on `message`. Raises RegisterMovedError and RegisterFullError."""
    match message:
        case NumberReceipt():
            return _number(register or _new(message.content.property_id, now), message, now)
        case AdoptReceipt(receipt=receipt):
            return _adopted(register or _new(receipt.property_id, now), receipt)
        case _:
            assert_never(message)


def _new(property_id: PropertyId, now: datetime) -> Register:
    return Register(property_id=property_id, created_at=now)


def _number(register: Register, message: NumberReceipt, now: datetime) -> Decision[Register]:
    content = message.content
    if register.numbered(content.order_id, content.sequence) is not None:
        return Ignored("numbered already")
    if register.forgotten > message.seen:
        raise RegisterMovedError(register.property_id)
    older, newest = register.open[:-REMEMBERED], register.open[-REMEMBERED:]
    forgotten = [each.number for each in older if each.number in message.filed]
    kept = (*(each for each in older if each.number not in message.filed), *newest)
    if len(kept) >= MOST_OPEN:
        raise RegisterFullError(register.property_id)
    receipt = Receipt(number=register.last_number + 1, issued_at=now, **dict(content))
    numbered = {
        "last_number": receipt.number,
        "forgotten": max((register.forgotten, *forgotten)),
        "open": (*kept, receipt),
    }
    event = ReceiptIssued(order_id=receipt.order_id, receipt=receipt, guest_id=message.guest_id)
    return Applied(register.model_copy(update=numbered), (event,))


def _adopted(register: Register, receipt: Receipt) -> Decision[Register]:
    if receipt.number <= register.last_number:
        return Ignored("the register knows this number")
    numbers = {"last_number": receipt.number, "forgotten": receipt.number}
    return Applied(register.model_copy(update=numbers))
