"""The audit of receipts: numbers without gaps or doubles, and sums that equal the orders' money.

Reads only. The registers are read first: a number that is taken meanwhile is higher than all that are looked for.
Memory holds one bit for each number, one batch of orders, and the findings.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from chassis.amounts import major_units, written
from chassis.storage.documents import Documents
from contracts.ids import OrderId, payment_id_of
from contracts.money import Money
from contracts.order_actions import Direction
from contracts.order_receipts import Receipt
from contracts.payments import RefundStage
from extras_service.order.state import Order
from extras_service.receipt.due import has_money, next_due
from extras_service.receipt.state import OrderReceipts, balance
from extras_service.register.state import IN_USE, Register
from ops.core.audit.findings import Finding, Kind

_MOST_PROPERTIES = 10_000
_BATCH = 500
_MOST_NAMED = 20
"""Missing numbers of one property that are named one by one."""


@dataclass
class _Numbers:
    """The numbers of one property that were found, one bit each."""

    register: Register
    found: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.found = bytearray(self.register.last_number // 8 + 1)
        for receipt in self.register.open:
            self._mark(receipt.number)  # it may be filed while the audit runs

    def take(self, number: int) -> bool:
        """Whether the number is the first of its kind, or one that is not looked for."""
        if number > self.register.last_number or any(each.number == number for each in self.register.open):
            return True
        was_found = bool(self.found[number // 8] & (1 << number % 8))
        self._mark(number)
        return not was_found

    def missing(self) -> Iterator[int]:
        numbers = range(1, self.register.last_number + 1)
        return (number for number in numbers if not self.found[number // 8] & (1 << number % 8))

    def _mark(self, number: int) -> None:
        self.found[number // 8] |= 1 << number % 8


@dataclass(frozen=True)
class ReceiptAudit:
    """The receipts of one system."""

    orders: Documents[Order]
    receipts: Documents[OrderReceipts]
    registers: Documents[Register]
    read_again_after: float = 2.0

    async def findings(self) -> list[Finding]:
        """Raises StoreUnavailableError."""
        found: list[Finding] = []
        suspects: list[OrderId] = []
        for register in await self.registers.find(_MOST_PROPERTIES, status=IN_USE):
            numbers = _Numbers(register)
            async for batch in self._batches(register.property_id):
                orders = await self._orders_of(batch)
                for filed in batch:
                    for receipt in filed.receipts:
                        if not numbers.take(receipt.number):
                            found.append(_finding(filed.order_id, Kind.RECEIPT_NUMBER, _taken_twice(receipt)))
                    if any(differences(orders.get(filed.order_id), filed.receipts)):
                        suspects.append(filed.order_id)
            found += _gaps(numbers)
        return [*found, *await self._read_again(suspects)]

    async def _batches(self, property_id: str) -> AsyncIterator[list[OrderReceipts]]:
        ids: list[str] = []
        async for order_id in self.receipts.all_ids(property_id=property_id):
            ids.append(order_id)
            if len(ids) == _BATCH:
                yield [state for _, state in await self.receipts.load_many(ids)]
                ids = []
        if ids:
            yield [state for _, state in await self.receipts.load_many(ids)]

    async def _orders_of(self, batch: Iterable[OrderReceipts]) -> Mapping[str, Order]:
        loaded = await self.orders.load_many([filed.order_id for filed in batch])
        return {order.order_id: order for _, order in loaded}

    async def _read_again(self, suspects: list[OrderId]) -> list[Finding]:
        """Orders whose receipts differed, a moment later: a receipt may have been on its way."""
        if suspects:
            await asyncio.sleep(self.read_again_after)
        findings: list[Finding] = []
        for order_id in suspects:
            filed, order = await self.receipts.load(order_id), await self.orders.load(order_id)
            receipts = filed.state.receipts if filed else ()
            problems = differences(order.state if order else None, receipts)
            findings += [_finding(order_id, Kind.RECEIPT_SUM, problem) for problem in problems]
        return findings


def differences(order: Order | None, receipts: tuple[Receipt, ...]) -> Iterator[str]:
    """What is wrong with the receipts of an order, usually nothing."""
    for receipt in receipts:
        stated = (share.vat for share in receipt.shares if share.vat is not None)
        total = sum(share.gross.in_hundredths for share in receipt.shares)
        parts = sum(vat.net.in_hundredths + vat.tax.in_hundredths for vat in stated)
        gross = sum(share.gross.in_hundredths for share in receipt.shares if share.vat is not None)
        if total != receipt.amount.in_hundredths or parts != gross:
            yield f"the parts of receipt {receipt.number} do not add up to its amount"
    if order is None:
        yield "there are receipts of an order that is not stored"
        return
    if not has_money(order):
        return  # under review, or set back by a restore and not replayed yet: the money has findings of its own
    if (due := next_due(order, receipts)) is not None:
        yield f"a receipt is due: {due.kind} of {_words(due.amount)}"
        return
    for is_outside, expected in ((False, _at_psp(order)), (True, _outside(order))):
        stated_sum = balance(receipts, expected.currency, is_outside=is_outside)
        if stated_sum != expected:
            where = "outside the PSP" if is_outside else "at the PSP"
            yield f"the receipts say {_words(stated_sum)} {where}, and the order {_words(expected)}"


def _at_psp(order: Order) -> Money:
    """What the order says that the PSP has received for it, less its refunds."""
    received = order.received or Money.zero(order.total.currency)
    made = (
        refund.amount
        for refund in order.refunds
        if order.received is not None and refund.stage is RefundStage.SUCCEEDED and not refund.is_second_charge
    )
    return sum((amount * -1 for amount in made), start=received)


def _outside(order: Order) -> Money:
    settled = (refund.settled for refund in order.refunds if not refund.is_second_charge)
    given = (each.amount for each in settled if each is not None and each.amount is not None)
    start = order.settled(Direction.FROM_GUEST) - order.settled(Direction.TO_GUEST)
    return sum((amount * -1 for amount in given), start=start)


def _gaps(numbers: _Numbers) -> Iterator[Finding]:
    property_id = numbers.register.property_id
    for number in islice(numbers.missing(), _MOST_NAMED):
        problem = (
            f"{property_id} has no receipt {number}, although its register has reached {numbers.register.last_number}"
        )
        yield _finding(OrderId(""), Kind.RECEIPT_NUMBER, problem)


def _taken_twice(receipt: Receipt) -> str:
    return f"{receipt.property_id} has receipt {receipt.number} more than once"


def _finding(order_id: OrderId, kind: Kind, problem: str) -> Finding:
    return Finding(kind, order_id, payment_id_of(order_id) if order_id else "", (), problem)


def _words(money: Money) -> str:
    return written(major_units(money), money.currency)
