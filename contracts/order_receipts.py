"""Receipts: documents about the money of one order, numbered per property without gaps."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import GuestId, OrderId, PropertyId, RefundId
from contracts.message import OrderEvent, Query, Reply
from contracts.money import Money
from contracts.orders import OrderView
from contracts.vat import VatShare


class ReceiptKind(StrEnum):
    """What a receipt is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_FAILED = "refund-failed"
    """A refund that has a receipt and failed afterwards: the hotel has its money again."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Hotel(_Value):
    """A property as it was when a receipt was issued."""

    property_version: int | None = Field(default=None, description="none: the property was not defined")
    name: dict[str, str] = Field(default_factory=dict, description="by language tag")
    address: str = Field(default="", description="lines are separated by line breaks")
    vat_id: str = ""
    contact_email: str = ""
    contact_phone: str = ""
    time_zone: str = Field(default="UTC", description="IANA name: the receipt's dates are its")
    languages: tuple[str, ...] = ()


class ReceiptContent(_Value):
    """What a receipt says, before it has a number."""

    order_id: OrderId
    property_id: PropertyId
    sequence: int = Field(ge=1, description="its place among the receipts of its order, from 1")
    receipt_kind: ReceiptKind
    amount: Money = Field(description="gross; above 0, whichever way it went")
    is_outside: bool = Field(default=False, description="paid or refunded outside the PSP, as staff recorded it")
    refund_id: RefundId | None = None
    shares: tuple[VatShare, ...] = Field(description="the amount by lines of the order, with the VAT in each share")
    hotel: Hotel


class Receipt(ReceiptContent):
    """A receipt. Nothing of it changes once it is issued."""

    number: int = Field(ge=1, description="of the property, without gaps")
    issued_at: datetime


class ReceiptIssued(OrderEvent):
    """A receipt has its number."""

    kind: Literal["receipts.receipt-issued.v1"] = "receipts.receipt-issued.v1"
    receipt: Receipt
    guest_id: GuestId | None = Field(default=None, description="none: issued by a version that did not say")


class GetReceipts(Query):
    """The receipts of an order. Those that are due and not issued yet are issued first."""

    kind: Literal["receipts.get-receipts.v1"] = "receipts.get-receipts.v1"
    order_id: OrderId
    guest_id: GuestId | None = Field(default=None, description="none: staff, who see every order of their property")
    property_id: PropertyId


class ReceiptsReply(Reply):
    kind: Literal["receipts.receipts-reply.v1"] = "receipts.receipts-reply.v1"
    order: OrderView
    receipts: tuple[Receipt, ...] = Field(description="by their numbers, the lowest first")
