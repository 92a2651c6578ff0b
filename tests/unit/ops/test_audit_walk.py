"""The audit's walk along both stores and the PSP: flat in memory, and sure of what it reports."""

import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic

from chassis.decision import StateT
from contracts.ids import OrderId, payment_id_of
from contracts.orders import OrderStatus
from extras_service.order.state import Order
from ops.core.audit import Audit, Kind
from ops.core.audit.run import Auditor
from payment_service.payment.state import Payment, PaymentStage
from psp_adapter.ledger import LedgerEntry
from tests.unit.ops.test_audit import NOW, order

FEW, MANY = 1_000, 10_000
ALLOWED_GROWTH = 1_000_000
"""Bytes; a list of the orders alone would take some 15 times as much."""


def order_id(number: int) -> OrderId:
    return OrderId(f"ord_{number * 7919 % 1_000_003:026}")


ORDER = order(OrderStatus.CONFIRMED)
PAYMENT = Payment(
    payment_id=ORDER.payment_id, order_id=ORDER.order_id, amount=ORDER.total, status=PaymentStage.SUCCEEDED
)


def paid(number: int) -> Payment:
    ours = order_id(number)
    names = {"payment_id": payment_id_of(ours), "order_id": ours, "paid_reference": f"pi_{number}"}
    return PAYMENT.model_copy(update=names)


def confirmed(number: int) -> Order:
    ours = order_id(number)
    return ORDER.model_copy(update={"order_id": ours, "payment_id": payment_id_of(ours)})


def charged(number: int, captured: int = 48) -> LedgerEntry:
    return LedgerEntry(
        psp_reference=f"pi_{number}", order_id=order_id(number), currency="EUR", captured=Decimal(captured)
    )


@dataclass
class Generated(Generic[StateT]):
    """Documents that are made when they are read, so that none of them is kept."""

    numbers: Mapping[str, int]
    make: Callable[[int], StateT]
    waiting: Sequence[str] = ()
    loaded: set[str] = field(default_factory=set)
    unlisted: int = 0

    async def ids(self, *, waiting: bool) -> AsyncIterator[str]:
        for document_id in self.waiting:
            yield document_id

    async def count(self) -> int:
        return len(self.numbers) + self.unlisted

    async def all_ids(self, since: datetime | None = None, **fields: str) -> AsyncIterator[str]:
        assert fields["status"] in tuple(OrderStatus)
        if since is None and fields["status"] == OrderStatus.CONFIRMED:
            for document_id in self.numbers:
                yield document_id

    async def load_many(self, document_ids: Sequence[str]) -> list[tuple[datetime | None, StateT]]:
        if len(self.numbers) < FEW:
            self.loaded |= set(document_ids)
        return [(None, self.make(self.numbers[one])) for one in document_ids if one in self.numbers]


@dataclass
class GeneratedLedger:
    """The PSP's side: what its list says, and what it says of one payment when it is asked again."""

    listed: Iterable[LedgerEntry]
    now: Mapping[str, LedgerEntry] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def entries(self, since: datetime | None = None) -> AsyncIterator[LedgerEntry]:
        for entry in self.listed:
            yield entry

    async def find_all(self, psp_references: Sequence[str]) -> list[LedgerEntry]:
        self.asked += psp_references
        return [self.now[reference] for reference in psp_references if reference in self.now]


def auditor(
    orders: Iterable[int], payments: Iterable[int], ledger: GeneratedLedger, *, waiting: Sequence[int] = ()
) -> Auditor:
    return Auditor(
        Generated({order_id(number): number for number in orders}, confirmed),
        Generated(
            {payment_id_of(order_id(number)): number for number in payments},
            paid,
            [payment_id_of(order_id(number)) for number in waiting],
        ),
        ledger,
        read_again_after=0,
        now=lambda: NOW,
    )


async def test_memory_does_not_grow_with_the_number_of_payments() -> None:
    async def peak(payments: int) -> int:
        numbers = range(payments)
        walk = auditor(numbers, numbers, GeneratedLedger(charged(number) for number in numbers))
        tracemalloc.start()
        result = await walk.run()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (result.orders, result.payments, result.psp_payments) == (payments, payments, payments)
        assert result.findings == ()
        return most

    few, many = await peak(FEW), await peak(MANY)

    assert many - few < ALLOWED_GROWTH, f"{few:,} bytes for {FEW:,} payments, {many:,} for {MANY:,}"


async def test_what_only_moved_while_the_audit_read_is_no_finding() -> None:
    ledger = GeneratedLedger([charged(1, captured=0)], now={"pi_1": charged(1)})

    result = await auditor([1], [1], ledger).run()

    assert ledger.asked == ["pi_1"]
    assert result == Audit(orders=1, payments=1, psp_payments=1, findings=(), by_account={"default": 1})


async def test_what_is_still_wrong_when_read_again_is_a_finding() -> None:
    ledger = GeneratedLedger([charged(1, captured=40)], now={"pi_1": charged(1, captured=40)})

    result = await auditor([1, 2], [1, 2], ledger).run()

    assert [(found.order_id, found.kind) for found in result.findings] == [
        (order_id(1), Kind.UNBALANCED),
        (order_id(2), Kind.UNBALANCED),
    ]


async def test_a_charge_of_an_order_that_neither_store_has_is_a_finding() -> None:
    ledger = GeneratedLedger([charged(9)], now={"pi_9": charged(9)})

    (finding,) = (await auditor([1], [1], ledger).run()).findings[1:]

    assert (finding.kind, finding.order_id, finding.amount) == (Kind.UNKNOWN_CHARGE, order_id(9), Decimal(48))


async def test_a_payment_whose_metadata_was_removed_at_the_psp_is_found_by_its_id() -> None:
    stripped = charged(1).model_copy(update={"order_id": None})

    result = await auditor([1], [1], GeneratedLedger([stripped])).run()

    assert result.findings == ()


async def test_an_audit_since_a_time_looks_only_at_what_moved_and_what_waits() -> None:
    ledger = GeneratedLedger([charged(1)], now={"pi_2": charged(2)})
    walk = auditor(range(1, 100), range(1, 100), ledger, waiting=[2])

    result = await walk.run(NOW - timedelta(hours=2))

    assert result.findings == ()
    assert (result.orders, ledger.asked) == (2, ["pi_2"])


async def test_one_document_that_cannot_be_read_is_a_finding_and_the_others_are_looked_at() -> None:
    def one_is_broken(number: int) -> Payment:
        return paid(number) if number != 3 else Payment.model_validate({"payment_id": "pay_3"})

    entries = {f"pi_{number}": charged(number) for number in range(10)}
    walk = auditor(range(10), range(10), GeneratedLedger(entries.values(), entries))
    walk.payments = Generated({payment_id_of(order_id(number)): number for number in range(10)}, one_is_broken)

    result = await walk.run()

    (finding,) = result.findings
    assert (finding.kind, finding.order_id, result.payments) == (Kind.UNREADABLE, order_id(3), 9)
    assert payment_id_of(order_id(3)) in finding.problem


async def test_a_broken_order_is_a_finding_once() -> None:
    def one_is_broken(number: int) -> Order:
        return confirmed(number) if number != 3 else Order.model_validate({"order_id": order_id(3)})

    entries = {f"pi_{number}": charged(number) for number in range(10)}
    walk = auditor(range(10), range(10), GeneratedLedger(entries.values(), entries))
    walk.orders = Generated({order_id(number): number for number in range(10)}, one_is_broken)

    result = await walk.run()

    assert [(finding.kind, finding.order_id) for finding in result.findings] == [(Kind.UNREADABLE, order_id(3))]


async def test_orders_that_no_list_names_are_a_finding() -> None:
    entries = {f"pi_{number}": charged(number) for number in range(10)}
    walk = auditor(range(10), range(10), GeneratedLedger(entries.values(), entries))
    walk.orders = Generated({order_id(number): number for number in range(10)}, confirmed, unlisted=2)

    result = await walk.run()

    (finding,) = result.findings
    assert (finding.kind, finding.order_id) == (Kind.UNREADABLE, "")
    assert finding.problem.startswith("2 stored orders")
