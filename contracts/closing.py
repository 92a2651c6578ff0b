"""A day's closing: what orders, payments and the PSP's own transactions say, as values and messages."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import OrderId, PropertyId
from contracts.message import Query, Reply
from contracts.money import Money
from contracts.orders import Guest, OrderStatus, PaymentStatus
from contracts.payments import RefundStage
from contracts.psp_accounts import DEFAULT_ACCOUNT, AtPspAccount


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Kind(StrEnum):
    """What a transaction on the PSP's balance is."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    PAYOUT = "payout"
    OTHER = "other"


class Transaction(_Value):
    """One movement on the PSP's balance. Amounts in major units of the balance's currency; `net` is amount less fee.

    `charged` is what the guest was charged or refunded, in the currency they paid in.
    """

    transaction_id: str
    kind: Kind
    at: datetime
    amount: Decimal
    fee: Decimal
    net: Decimal
    currency: str
    source: str = ""
    psp_reference: str = ""
    order_id: str | None = Field(default=None, description="the order that it is about, as far as known")
    charged: Decimal = Decimal()
    charged_currency: str = ""
    psp_account: str = Field(default=DEFAULT_ACCOUNT, description="the name of the account whose balance it moves")


class ClosingOrder(_Value):
    """An order, as far as a closing reads it."""

    order_id: OrderId
    guest: Guest
    status: OrderStatus
    payment_status: PaymentStatus
    total: Money
    created_at: datetime
    time_zone: str

    @property
    def property_id(self) -> PropertyId:
        return self.guest.property_id


class ClosingRefund(_Value):
    psp_refund_id: str
    amount: Money
    stage: RefundStage


class ClosingDispute(_Value):
    dispute_id: str


class ClosingPayment(_Value):
    """A payment, as far as a closing reads it."""

    order_id: OrderId
    received: Money | None
    paid_reference: str | None
    refunds: tuple[ClosingRefund, ...]
    disputes: tuple[ClosingDispute, ...]


# Queries and replies


class ListClosingOrders(Query):
    """A property's orders that were placed on a day by its clock, in pages; without a day, those with these ids."""

    kind: Literal["orders.list-closing-orders.v1"] = "orders.list-closing-orders.v1"
    property_id: PropertyId
    day: date | None = None
    after: str | None = Field(default=None, description="the cursor of the page before")
    order_ids: tuple[OrderId, ...] = ()


class ClosingOrdersReply(Reply):
    kind: Literal["orders.closing-orders-reply.v1"] = "orders.closing-orders-reply.v1"
    orders: tuple[ClosingOrder, ...]
    next: str | None = None
    psp_accounts: tuple[str, ...] = Field(
        default=(DEFAULT_ACCOUNT,), description="the accounts at the PSP that the property has named so far"
    )


class ListClosingPayments(Query):
    """The payments of these orders, and the orders for which sessions of the PSP were opened."""

    kind: Literal["payments.list-closing-payments.v1"] = "payments.list-closing-payments.v1"
    order_ids: tuple[OrderId, ...] = ()
    psp_references: tuple[str, ...] = ()


class ClosingPaymentsReply(Reply):
    kind: Literal["payments.closing-payments-reply.v1"] = "payments.closing-payments-reply.v1"
    payments: tuple[ClosingPayment, ...]
    holders: dict[str, OrderId] = Field(description="orders by the PSP's reference")


class ListPspTransactions(AtPspAccount, Query):
    """One page of the transactions on the PSP's balance in a time, the newest first; `order_id` as metadata says."""

    kind: Literal["psp.list-psp-transactions.v1"] = "psp.list-psp-transactions.v1"
    since: datetime
    until: datetime
    after: str | None = Field(default=None, description="the last transaction of the page before")


class NamePspOrders(AtPspAccount, Query):
    """The orders that these sessions name in their own metadata."""

    kind: Literal["psp.name-psp-orders.v1"] = "psp.name-psp-orders.v1"
    psp_references: tuple[str, ...]


class PspTransactionsReply(Reply):
    kind: Literal["psp.psp-transactions-reply.v1"] = "psp.psp-transactions-reply.v1"
    transactions: tuple[Transaction, ...] = ()
    next: str | None = None
    orders: dict[str, OrderId] = Field(default_factory=dict, description="by the PSP's reference")
    problem: str | None = Field(default=None, description="the PSP did not answer, and why")
