"""Webhooks to other systems: what their bodies hold. Contracts of their own, apart from the messages on the bus.

A body is signed as Standard Webhooks says (https://www.standardwebhooks.com). Within a version fields are only added;
what would break a receiver gets a new `payload_version`.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import ExtraId, GuestId, OrderId, PropertyId, RefundId, ReservationId, SubscriberId
from contracts.money import Money
from contracts.offers import PriceUnit
from contracts.order_receipts import ReceiptKind
from contracts.orders import OrderStatus, PaymentStatus
from contracts.vat import Vat, VatShare


class WebhookType(StrEnum):
    """What a webhook reports."""

    CONFIRMED = "order.confirmed"
    """The payment of an order has its receipt; the hotel owes the extras."""
    CHANGED = "order.changed"
    """Something else has changed: fulfilled, disputed, under review, a refund that failed."""
    REFUNDED = "order.refunded"
    """A refund has its receipt, or one that had it has failed."""
    CANCELLED = "order.cancelled"
    """The order was cancelled, or the hotel declined it."""
    APPROVAL_NEEDED = "order.approval_needed"
    """The hotel must approve the order before the guest is charged."""
    TEST = "webhook.test"
    """An operator sees whether the receiver answers. It says nothing of an order."""


OF_ORDERS = tuple(each for each in WebhookType if each is not WebhookType.TEST)
"""What a subscriber may ask for; every subscriber gets tests."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class WebhookLine(_Value):
    """One line of an order."""

    line: int = Field(description="its number in the order, from 0")
    extra_id: ExtraId
    name: dict[str, str] = Field(description="by language tag")
    quantity: int
    day: date | None = Field(description="the day of the stay; none: any day")
    slot: str | None = Field(description="local time at the property, `15:00`; none: without slots")
    unit_price: Money
    price_per: PriceUnit
    nights: int | None = Field(description="of the stay, for a price per night")
    total: Money = Field(description="gross: VAT is contained in it")
    vat: Vat | None = Field(description="the VAT contained in `total`; none: not stated")
    is_taken_out: bool = Field(description="staff took it out: the guest neither pays nor gets it")


class WebhookReceipt(_Value):
    """One receipt of an order. Nothing of it changes once it is issued."""

    number: int = Field(description="of the property, without gaps: what a folio entry can refer to")
    sequence: int = Field(description="its place among the receipts of the order, from 1")
    receipt_kind: ReceiptKind
    amount: Money = Field(description="gross; above 0, whichever way it went")
    is_outside: bool = Field(description="paid or refunded outside the PSP, as staff recorded it")
    refund_id: RefundId | None
    issued_at: datetime
    shares: tuple[VatShare, ...] = Field(description="the amount by lines of the order, with the VAT in each share")


class OrderData(_Value):
    """An order as it was when the webhook was first sent."""

    order_id: OrderId
    order_version: int = Field(description="one more with each change of the order: never apply a lower one")
    property_id: PropertyId
    guest_id: GuestId
    reservation_id: ReservationId
    status: OrderStatus
    payment_status: PaymentStatus
    created_at: datetime
    approve_by: datetime | None = Field(description="when an order that awaits approval is declined by itself")
    lines: tuple[WebhookLine, ...]
    total: Money = Field(description="without the lines that staff took out")
    refunded: Money | None = Field(description="the sum that the PSP has refunded so far")
    receipts: tuple[WebhookReceipt, ...] = Field(description="all receipts of the order, the lowest number first")
    receipt: WebhookReceipt | None = Field(
        description="the one that this webhook is about: of `order.confirmed` and `order.refunded`"
    )


class TestData(_Value):
    __test__ = False  # no test of pytest's

    subscriber_id: SubscriberId


class OrderWebhook(_Value):
    """The body of a webhook about an order."""

    type: Literal[
        WebhookType.CONFIRMED,
        WebhookType.CHANGED,
        WebhookType.REFUNDED,
        WebhookType.CANCELLED,
        WebhookType.APPROVAL_NEEDED,
    ]
    payload_version: Literal[1] = 1
    timestamp: datetime = Field(description="when the event became known here")
    data: OrderData


class TestWebhook(_Value):
    """The body of a test."""

    __test__ = False

    type: Literal[WebhookType.TEST] = WebhookType.TEST
    payload_version: Literal[1] = 1
    timestamp: datetime
    data: TestData


Webhook = OrderWebhook | TestWebhook
