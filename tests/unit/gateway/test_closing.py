"""A closing for the desk: what is asked of which service, and whose transactions are in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chassis.closing.day import Closing
from chassis.web.problems import ProblemError
from contracts.closing import (
    ClosingOrder,
    ClosingOrdersReply,
    ClosingPayment,
    ClosingPaymentsReply,
    Kind,
    ListClosingOrders,
    ListClosingPayments,
    ListPspTransactions,
    NamePspOrders,
    PspTransactionsReply,
    Transaction,
)
from contracts.ids import OrderId, PropertyId
from contracts.message import Message
from contracts.money import Money
from contracts.orders import OrderStatus, PaymentStatus
from gateway.api import closing
from gateway.api.closing import ClosingReader
from tests.support import orders as given

DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALPENHOF, KAMOGAWA = PropertyId("alpenhof"), PropertyId("kamogawa")


def order(number: int, property_id: PropertyId = ALPENHOF, at: datetime = NOON) -> ClosingOrder:
    return ClosingOrder(
        order_id=OrderId(f"ord_{number}"),
        guest=given.guest().model_copy(update={"property_id": property_id}),
        status=OrderStatus.CONFIRMED,
        payment_status=PaymentStatus.PAID,
        total=Money(amount=4800, currency="EUR"),
        created_at=at,
        time_zone="Europe/Vienna",
    )


def payment(number: int) -> ClosingPayment:
    received = Money(amount=4800, currency="EUR")
    return ClosingPayment(
        order_id=OrderId(f"ord_{number}"), received=received, paid_reference=f"pi_{number}", refunds=(), disputes=()
    )


def charge(number: int, at: datetime = NOON, named: str | None = None, **changes: Any) -> Transaction:
    known = {"transaction_id": f"txn_{number}", "kind": Kind.CHARGE, "at": at, "order_id": named, "currency": "EUR"}
    amounts = {"amount": Decimal(48), "fee": Decimal(1), "net": Decimal(47), "charged": Decimal(48)}
    about = {"psp_reference": f"pi_{number}", "source": f"ch_{number}", "charged_currency": "EUR"}
    return Transaction.model_validate(known | amounts | about | changes)


@dataclass
class Services:
    """The three services, each with what it knows."""

    orders: Sequence[ClosingOrder] = ()
    transactions: Sequence[Transaction] = ()
    holders: dict[str, OrderId] = field(default_factory=dict)
    intents: dict[str, OrderId] = field(default_factory=dict)
    problem: str | None = None
    page: int = 100
    psp_accounts: tuple[str, ...] = ("default",)
    asked: list[Message] = field(default_factory=list)

    async def ask(self, message: Message) -> Message:
        self.asked.append(message)
        match message:
            case ListClosingOrders(day=None, order_ids=ids):
                found = [each for each in self.orders if each.order_id in ids]
            case ListClosingOrders(after=None):
                return ClosingOrdersReply(orders=(), next="a page without any")
            case ListClosingOrders():
                found = [each for each in self.orders if each.created_at.date() == DAY]
            case ListClosingPayments(order_ids=ids, psp_references=references):
                paid = tuple(payment(int(order_id.removeprefix("ord_"))) for order_id in ids)
                holders = {name: self.holders[name] for name in references if name in self.holders}
                return ClosingPaymentsReply(payments=paid, holders=holders)
            case NamePspOrders(psp_references=references):
                return PspTransactionsReply(
                    orders={name: self.intents[name] for name in references if name in self.intents}
                )
            case ListPspTransactions(after=after, psp_account=account):
                at_it = [each for each in self.transactions if each.psp_account == account]
                begin = int(after) if after else 0
                end = begin + self.page
                more = str(end) if end < len(at_it) else None
                page = tuple(at_it[begin:end])
                return PspTransactionsReply(transactions=page, next=more, problem=self.problem)
            case _:
                raise AssertionError(f"no service is asked {message.kind}")
        of_property = tuple(each for each in found if each.property_id == message.property_id)
        return ClosingOrdersReply(orders=of_property, psp_accounts=self.psp_accounts)

    def closed(self) -> Closing:
        return asyncio.run(ClosingReader(self.ask, ALPENHOF, DAY).read())


def test_a_transaction_is_of_the_order_whose_payment_holds_its_session_else_of_the_one_that_metadata_names() -> None:
    services = Services(
        orders=[order(1), order(2), order(3), order(4, KAMOGAWA)],
        transactions=[
            charge(1, named="ord_4"),
            charge(2, named="ord_2"),
            charge(3),
            charge(4, named="ord_4"),
            charge(5),
            charge(6, psp_reference="", kind=Kind.FEE),
        ],
        holders={"pi_1": OrderId("ord_1")},
        intents={"pi_3": OrderId("ord_3")},
    )

    result = services.closed()

    assert [(line.transaction.transaction_id, line.transaction.order_id) for line in result.lines] == [
        *(("txn_3", "ord_3"), ("txn_2", "ord_2"), ("txn_1", "ord_1"))
    ]
    assert [order.order_id for order, _ in result.orders] == ["ord_1", "ord_2", "ord_3"]
    assert (result.differences, result.payouts) == ((), ())
    [named] = [message for message in services.asked if isinstance(message, NamePspOrders)]
    assert named.psp_references == ("pi_3", "pi_5"), "only those that are not known yet"


def test_a_charge_of_the_day_for_an_order_of_another_day_is_in_it_and_one_of_another_day_is_not() -> None:
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # the next day in Vienna
    services = Services(
        orders=[order(1, at=datetime(2026, 11, 23, 12, tzinfo=UTC))],
        transactions=[charge(1, late, "ord_1"), charge(1, named="ord_1")],
    )

    result = services.closed()

    assert [line.transaction.at for line in result.lines] == [NOON]
    assert [(bridge.of_another_day, bridge.charges) for bridge in result.bridges] == [(Decimal(48), Decimal(48))]


def test_many_pages_are_read_in_questions_of_bounded_size() -> None:
    orders = [order(number) for number in range(250)]
    services = Services(orders, [charge(number, named=f"ord_{number}") for number in range(250)], page=90)

    result = services.closed()

    assert len(result.lines) == 250
    sizes = [
        len(each.order_ids) for each in services.asked if isinstance(each, ListClosingPayments | ListClosingOrders)
    ]
    assert max(sizes) == 100


def test_an_account_with_too_many_transactions_is_left_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "MOST_PAGES", 2)

    with pytest.raises(ProblemError) as refused:
        Services(transactions=[charge(number) for number in range(5)], page=2).closed()

    assert (refused.value.status, refused.value.name) == (422, "closing-too-large")


def test_while_the_psp_does_not_answer_no_figures_are_shown() -> None:
    with pytest.raises(ProblemError) as refused:
        Services(orders=[order(1)], problem="listing took too long: key sk_1").closed()

    assert refused.value.status == 503
    assert "sk_1" not in refused.value.detail


def test_a_property_that_changed_its_account_has_the_transactions_of_both() -> None:
    services = Services(
        orders=[order(1), order(2)],
        transactions=[
            charge(1, named="ord_1"),
            charge(2, at=NOON + timedelta(hours=1), named="ord_2", psp_account="seaside"),
            charge(3, named="ord_3", psp_account="of another hotel"),
        ],
        psp_accounts=("default", "seaside"),
    )

    result = services.closed()

    assert [(line.transaction.transaction_id, line.transaction.psp_account) for line in result.lines] == [
        ("txn_1", "default"),
        ("txn_2", "seaside"),
    ]
    asked = [message.psp_account for message in services.asked if isinstance(message, ListPspTransactions)]
    assert asked == ["default", "seaside"]
