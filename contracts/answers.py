"""What the gateway's HTTP API answers beyond single orders: written by the gateway, read by its clients."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from contracts.catalogue import StaffExtraView
from contracts.ids import OrderId, PropertyId, ReservationId
from contracts.money import Money
from contracts.offers import ExtraView
from contracts.order_receipts import Receipt
from contracts.orders import OrderLine, OrderView
from contracts.properties import Theme
from contracts.staff_roles import StaffAction, StaffRole
from contracts.vat import VatSum


class Extras(BaseModel):
    model_config = ConfigDict(frozen=True)

    extras: tuple[ExtraView, ...]


class Catalogue(BaseModel):
    """A property's extras as its staff see them."""

    model_config = ConfigDict(frozen=True)

    extras: tuple[StaffExtraView, ...]


class GuestProperty(BaseModel):
    """The hotel, as its guests see it."""

    model_config = ConfigDict(frozen=True)

    property_id: PropertyId
    name: dict[str, str] = Field(description="by language tag")
    address: str = Field(description="lines are separated by line breaks; empty if it has none here")
    contact_email: str
    contact_phone: str
    time_zone: str = Field(description="IANA name: days and slots are in it")
    theme: Theme = Field(description="colours of the guest's page")


class Contact(BaseModel):
    """Where e-mail about a guest's orders goes."""

    model_config = ConfigDict(frozen=True)

    email: str | None = Field(description="none: no e-mail is sent")
    language: str | None = Field(description="none: the hotel's first")


class Orders(BaseModel):
    model_config = ConfigDict(frozen=True)

    orders: tuple[OrderView, ...]


class PaymentSession(BaseModel):
    """The data with which a client page lets its guest pay the PSP directly. `client_secret` must never be logged."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    payment_id: str
    amount: Money
    client_secret: str
    publishable_key: str
    script_url: str
    pay_until: datetime | None
    connected_account: str | None = Field(
        default=None, description="the connected account that is paid, for the PSP's script; none: the key's own"
    )


class StaffSession(BaseModel):
    """Who is signed in at the desk, and what they may do."""

    model_config = ConfigDict(frozen=True)

    staff_id: str
    property_id: PropertyId
    role: StaffRole
    may: tuple[StaffAction, ...] = Field(description="the actions that the role allows")


class ReceiptAnswer(Receipt):
    """A receipt with the VAT in it by rates."""

    vat: tuple[VatSum, ...]


class OrderReceiptsAnswer(BaseModel):
    """All receipts of an order, with their sums."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    property_id: PropertyId
    reservation_id: ReservationId
    lines: tuple[OrderLine, ...]
    receipts: tuple[ReceiptAnswer, ...] = Field(description="by their numbers, the lowest first")
    paid: Money
    refunded: Money = Field(description="without refunds that failed afterwards")
    kept: Money = Field(description="paid less refunded")
    vat: tuple[VatSum, ...] = Field(description="the VAT in what is kept, by rates")


class ClosingRow(BaseModel):
    """One row of a closing: an order, a transaction, a sum, or a difference. Amounts are exact, in major units."""

    model_config = ConfigDict(frozen=True)

    section: str = Field(description="`order`, `transaction`, `total`, `bridge` or `difference`")
    kind: str
    property: str
    time: str = Field(description="at the property")
    order_id: str
    reservation_id: str
    status: str
    psp_reference: str
    source: str
    transaction: str
    amount: str
    fee: str
    net: str
    currency: str
    note: str
    account: str = Field(default="", description="the account at the PSP of a transaction; empty in other rows")


class DayClosing(BaseModel):
    """A property's day in orders and in the PSP's own transactions, and in what the two do not add up."""

    model_config = ConfigDict(frozen=True)

    property_id: PropertyId
    day: date
    rows: tuple[ClosingRow, ...]
    differences: tuple[str, ...]
