"""The extras service's messages: the catalogue, orders, and the commands, events and queries about them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import ExtraId, GuestId, OrderId, PaymentId, PropertyId, RefundId, ReservationId
from contracts.message import OrderCommand, OrderEvent, Query, Reply
from contracts.money import Money
from contracts.offers import ExtraView, Mistake, PriceUnit
from contracts.order_actions import ReviewResolution, StaffDetails
from contracts.payments import RefundStage
from contracts.psp_accounts import PageAccount
from contracts.receipts import SealedReceiptEmail
from contracts.vat import Vat


class OrderStatus(StrEnum):
    PENDING_PAYMENT = "pending_payment"
    AWAITING_APPROVAL = "awaiting_approval"
    """The payment is authorised and not captured; the hotel must approve the order first."""
    CAPTURING = "capturing"
    """Approved; the authorised payment is being captured."""
    EXPIRING = "expiring"
    CANCELLING = "cancelling"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    NEEDS_REVIEW = "needs_review"


class PaymentStatus(StrEnum):
    """The status of an order's money, derived from the payment's events."""

    UNPAID = "unpaid"
    PROCESSING = "processing"
    AUTHORISED = "authorised"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    CHARGED_BACK = "charged_back"
    MISMATCHED = "mismatched"


class DisputeStage(StrEnum):
    """The status of a dispute of an order's payment."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Reason(StrEnum):
    """The reason of a refusal, for machines; `detail` is for people."""

    NO_LINES = "no_lines"
    EXTRA_UNKNOWN = "extra_unknown"
    EXTRA_INACTIVE = "extra_inactive"
    EXTRA_OF_ANOTHER_PROPERTY = "extra_of_another_property"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    QUANTITY_OVER_LIMIT = "quantity_over_limit"
    DAY_OUTSIDE_STAY = "day_outside_stay"
    DAY_GONE_BY = "day_gone_by"
    SLOT_UNKNOWN = "slot_unknown"
    LEAD_TIME_PASSED = "lead_time_passed"
    WEEKDAY_CLOSED = "weekday_closed"
    DAY_BLACKED_OUT = "day_blacked_out"
    OUT_OF_SEASON = "out_of_season"
    TOTAL_NOT_PAYABLE = "total_not_payable"
    MIXED_CURRENCIES = "mixed_currencies"
    OUT_OF_STOCK = "out_of_stock"
    GUEST_LIMIT_REACHED = "guest_limit_reached"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_NOT_PAYABLE = "order_not_payable"
    ORDER_NOT_CANCELLABLE = "order_not_cancellable"
    CANCELLATION_TOO_LATE = "cancellation_too_late"
    ORDER_NOT_APPROVABLE = "order_not_approvable"
    APPROVED_OTHERWISE = "approved_otherwise"
    NO_LINE_LEFT = "no_line_left"
    LINE_TAKEN_OUT = "line_taken_out"
    ORDER_NOT_FULFILLABLE = "order_not_fulfillable"
    LINE_UNKNOWN = "line_unknown"
    ORDER_NOT_REFUNDABLE = "order_not_refundable"
    REFUND_EXCEEDS_PAID = "refund_exceeds_paid"
    REFUND_NOT_FAILED = "refund_not_failed"
    ORDER_NOT_IN_REVIEW = "order_not_in_review"
    AMOUNT_NOT_SETTLEABLE = "amount_not_settleable"
    CURSOR_INVALID = "cursor_invalid"
    EXTRA_NOT_FOUND = "extra_not_found"
    EXTRA_EXISTS = "extra_exists"
    EXTRA_INVALID = "extra_invalid"
    EXTRA_RETIRED = "extra_retired"
    PICTURE_NOT_FOUND = "picture_not_found"
    PICTURE_INVALID = "picture_invalid"
    TOO_MANY_PICTURES = "too_many_pictures"
    PROPERTY_NOT_FOUND = "property_not_found"
    PROPERTY_EXISTS = "property_exists"
    PROPERTY_INVALID = "property_invalid"
    VERSION_OUTDATED = "version_outdated"
    PAYMENT_SESSION_FAILED = "payment_session_failed"
    MAIL_OFF = "mail_off"


def _is_none(value: object) -> bool:
    return value is None


def _is_false(value: object) -> bool:
    return value is False


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class Guest(_Value):
    """A guest, as the signed token says."""

    guest_id: GuestId
    property_id: PropertyId
    reservation_id: ReservationId
    stay_from: date
    stay_to: date = Field(description="day of departure, included")


class RequestedLine(_Value):
    """One line of a guest's request. Without a price: prices come from the catalogue, never from the client."""

    extra_id: ExtraId
    quantity: int
    day: date | None = Field(default=None, description="the day of the stay; none means any day")
    # Left out when there is none: the digest of a line is what versions without slots made of it.
    slot: str | None = Field(
        default=None, exclude_if=_is_none, description="the time of the day, `15:00`; for extras with `slots`"
    )


class OrderLine(_Value):
    """One priced line of an order."""

    extra_id: ExtraId
    name: dict[str, str] = Field(description="by language tag")
    quantity: int
    day: date | None
    slot: str | None = Field(
        default=None, exclude_if=_is_none, description="local time at the property, `15:00`; left out without slots"
    )
    unit_price: Money
    price_per: PriceUnit = Field(default=PriceUnit.PIECE, description="the unit of `unit_price`")
    nights: int | None = Field(default=None, exclude_if=_is_none, description="of the stay, for a price per night")
    line_total: Money = Field(description="gross: VAT is contained in it")
    vat: Vat | None = Field(
        default=None,
        exclude_if=_is_none,
        description="the VAT contained in `line_total`; left out where no rate is stated, and in older orders",
    )
    extra_version: int | None = Field(
        default=None,
        exclude_if=_is_none,
        description="the version of the extra that it was priced by; left out in older orders",
    )
    needs_approval: bool = Field(
        default=False, exclude_if=_is_false, description="the hotel approves it before the guest is charged"
    )


class TakenOut(_Value):
    """The lines that staff took out of an order when they approved it: its guest does not pay and does not get them."""

    lines: tuple[int, ...] = Field(description="their numbers in the order, from 0")
    amount: Money = Field(description="what they come to: the guest's bank had reserved it, and it is never charged")
    reason: str = Field(description="the guest reads it")


class RefundSettlement(_Value):
    """How staff settled a refund that failed."""

    by: str
    at: datetime
    reason: str
    amount: Money | None = Field(default=None, description="given to the guest outside the PSP, if any")


class RefundView(_Value):
    """One refund of an order, for staff."""

    refund_id: RefundId
    amount: Money
    stage: RefundStage
    reason: str
    asked_by: str = Field(description="a member of staff, the guest, or empty: the system or the PSP's dashboard")
    asked_at: datetime | None = Field(description="none for refunds from before this was recorded")
    detail: str = Field(default="", description="why it failed or has no outcome")
    needs_attention: bool = Field(
        default=False, description="it failed or has no outcome, and neither the PSP nor staff have settled it"
    )
    is_second_charge: bool = Field(default=False, description="of a second charge: the guest paid twice")
    line: int | None = Field(default=None, description="the order's line it is for; none: the whole order")
    repeats: RefundId | None = Field(default=None, description="the failed refund this one takes the place of")
    settled: RefundSettlement | None = None


class DisputeView(_Value):
    """One dispute of an order's payment, for staff."""

    dispute_id: str = Field(description="the PSP's own id: it is answered in its dashboard")
    stage: DisputeStage
    amount: Money | None = Field(
        description="the disputed amount; none (the whole payment) for disputes from before it was recorded"
    )
    status: str = Field(default="", description="the PSP's own word for the stage")
    reported_at: datetime | None = Field(default=None, description="when the PSP reported it")
    is_second_charge: bool = Field(default=False, description="of a second charge: the guest paid twice")


class OrderView(_Value):
    """An order as its guest may see it; `refunds`, `disputes` and `staff` only for staff."""

    order_id: OrderId
    property_id: PropertyId
    reservation_id: ReservationId
    guest_id: GuestId
    status: OrderStatus
    payment_status: PaymentStatus
    lines: tuple[OrderLine, ...] = Field(description="as ordered: `taken_out` names those that staff took out")
    total: Money = Field(description="without the lines that staff took out")
    taken_out: TakenOut | None = Field(
        default=None, exclude_if=_is_none, description="lines that staff took out; left out where there are none"
    )
    created_at: datetime
    pay_until: datetime | None = Field(description="when an unpaid order lapses; none while no deadline runs")
    payment_failure: str | None = Field(default=None, description="why the last attempt to pay failed")
    needs_approval: bool = Field(
        default=False, description="the hotel approves it first; until then its payment is authorised, not captured"
    )
    approve_by: datetime | None = Field(
        default=None, description="when an order that awaits approval is declined by itself"
    )
    declined_because: str | None = Field(default=None, description="why it was declined, for the guest")
    refunded: Money | None = Field(default=None, description="the sum that the PSP has refunded so far")
    refunds: tuple[RefundView, ...] | None = Field(default=None, description="each refund; for staff only")
    disputes: tuple[DisputeView, ...] | None = Field(default=None, description="each dispute; for staff only")
    staff: StaffDetails | None = Field(default=None, description="for staff only")


class Staff(_Value):
    """A member of the hotel's staff, as the signed token says."""

    staff_id: str
    property_id: PropertyId


# Commands


class PlaceOrder(OrderCommand):
    """A guest places an order."""

    kind: Literal["orders.place-order.v1"] = "orders.place-order.v1"
    guest: Guest
    lines: tuple[RequestedLine, ...]


class StartPayment(OrderCommand):
    """A guest opens the payment page of an order."""

    kind: Literal["orders.start-payment.v1"] = "orders.start-payment.v1"
    guest_id: GuestId
    property_id: PropertyId
    sealed_receipt_email: SealedReceiptEmail = None


class CancelOrder(OrderCommand):
    """A guest or a member of staff cancels an order. Exactly one of `guest_id` and `staff` is set."""

    kind: Literal["orders.cancel-order.v1"] = "orders.cancel-order.v1"
    property_id: PropertyId
    guest_id: GuestId | None = None
    staff: Staff | None = None
    reason: str = ""


class FulfilOrder(OrderCommand):
    """Staff record that the guest has received what was ordered."""

    kind: Literal["orders.fulfil-order.v1"] = "orders.fulfil-order.v1"
    staff: Staff


class FulfilLines(OrderCommand):
    """Staff record that the guest has received some lines of an order."""

    kind: Literal["orders.fulfil-lines.v1"] = "orders.fulfil-lines.v1"
    staff: Staff
    lines: tuple[int, ...] = Field(min_length=1, description="their numbers in the order, from 0")


class RefundOrder(OrderCommand):
    """Staff refund an order, all that is left or a part."""

    kind: Literal["orders.refund-order.v1"] = "orders.refund-order.v1"
    staff: Staff
    refund_id: RefundId
    amount: Money | None = Field(default=None, description="none means all that is left")
    line: int | None = Field(default=None, description="the line that it is for; the amount is at most the line's")
    reason: str


class RetryRefund(OrderCommand):
    """Staff repeat a refund that failed or has no outcome."""

    kind: Literal["orders.retry-refund.v1"] = "orders.retry-refund.v1"
    staff: Staff
    refund_id: RefundId = Field(description="the refund that failed")
    reason: str


class SettleRefundOutside(OrderCommand):
    """Staff record that a failed refund was paid outside the system: in cash, or in the PSP's dashboard."""

    kind: Literal["orders.settle-refund-outside.v1"] = "orders.settle-refund-outside.v1"
    staff: Staff
    refund_id: RefundId = Field(description="the refund that failed")
    amount: Money = Field(description="the amount the guest received, at most the refund's")
    reason: str


class ResolveReview(OrderCommand):
    """Staff decide on an order under review."""

    kind: Literal["orders.resolve-review.v1"] = "orders.resolve-review.v1"
    staff: Staff
    resolution: ReviewResolution
    reason: str
    amount: Money | None = Field(
        default=None,
        description="with `settled-outside`, and with `accept` where the guest paid outside the PSP: how much; "
        "`settled-outside` without it means all that the PSP holds",
    )
    force: bool = Field(default=False, description="`accept` although no place is left")


# Events


class OrderPendingPayment(OrderEvent):
    """An order was placed and awaits payment."""

    kind: Literal["orders.order-pending-payment.v1"] = "orders.order-pending-payment.v1"
    property_id: PropertyId
    reservation_id: ReservationId
    guest_id: GuestId
    lines: tuple[OrderLine, ...]
    total: Money
    pay_until: datetime


class OrderConfirmed(OrderEvent):
    """An order is paid in full; the hotel owes the extras."""

    kind: Literal["orders.order-confirmed.v1"] = "orders.order-confirmed.v1"
    property_id: PropertyId
    reservation_id: ReservationId
    guest_id: GuestId
    payment_id: PaymentId
    total: Money = Field(description="without the lines that staff took out")
    taken_out: TakenOut | None = Field(default=None, description="lines that staff took out, and why")
    status: OrderStatus
    payment_status: PaymentStatus


class OrderExpired(OrderEvent):
    """The order was not paid in time, and the PSP has confirmed that it can no longer be paid."""

    kind: Literal["orders.order-expired.v1"] = "orders.order-expired.v1"
    guest_id: GuestId
    property_id: PropertyId


class OrderCancelled(OrderEvent):
    """The order was cancelled; what had been paid is refunded."""

    kind: Literal["orders.order-cancelled.v1"] = "orders.order-cancelled.v1"
    guest_id: GuestId
    property_id: PropertyId
    payment_status: PaymentStatus


class OrderFulfilled(OrderEvent):
    """The guest has received what was ordered."""

    kind: Literal["orders.order-fulfilled.v1"] = "orders.order-fulfilled.v1"
    guest_id: GuestId
    property_id: PropertyId


class OrderLinesFulfilled(OrderEvent):
    """The guest has received some lines of the order, and others not yet."""

    kind: Literal["orders.order-lines-fulfilled.v1"] = "orders.order-lines-fulfilled.v1"
    guest_id: GuestId
    property_id: PropertyId
    lines: tuple[int, ...]


class OrderPaymentChanged(OrderEvent):
    """The order's money changed after it was decided: a refund or a dispute."""

    kind: Literal["orders.order-payment-changed.v1"] = "orders.order-payment-changed.v1"
    guest_id: GuestId
    property_id: PropertyId
    status: OrderStatus
    payment_status: PaymentStatus


class OrderRefundFailed(OrderEvent):
    """A refund failed or has no outcome, so the guest does not have the money: staff must act."""

    kind: Literal["orders.order-refund-failed.v1"] = "orders.order-refund-failed.v1"
    guest_id: GuestId
    property_id: PropertyId
    refund_id: RefundId
    amount: Money
    stage: RefundStage = Field(description="failed, or its stage when the PSP stopped answering")
    detail: str


class OrderNeedsReview(OrderEvent):
    """Money and order disagree; a person must decide."""

    kind: Literal["orders.order-needs-review.v1"] = "orders.order-needs-review.v1"
    guest_id: GuestId
    property_id: PropertyId
    detail: str


# Queries


class ListExtras(Query):
    kind: Literal["extras.list-extras.v1"] = "extras.list-extras.v1"
    property_id: PropertyId


class GetOrder(Query):
    kind: Literal["orders.get-order.v1"] = "orders.get-order.v1"
    order_id: OrderId
    guest_id: GuestId | None = Field(default=None, description="none: staff, who see every order of their property")
    property_id: PropertyId


class ListOrders(Query):
    """A guest's orders, newest first."""

    kind: Literal["orders.list-orders.v1"] = "orders.list-orders.v1"
    guest_id: GuestId
    property_id: PropertyId
    limit: int = Field(default=50, ge=1, le=200)


# Replies


class OrderReply(Reply):
    kind: Literal["orders.order-reply.v1"] = "orders.order-reply.v1"
    order: OrderView


class OrdersReply(Reply):
    kind: Literal["orders.orders-reply.v1"] = "orders.orders-reply.v1"
    orders: tuple[OrderView, ...]


class ExtrasReply(Reply):
    kind: Literal["extras.extras-reply.v1"] = "extras.extras-reply.v1"
    extras: tuple[ExtraView, ...]


class PaymentSessionReply(Reply):
    """The data a client needs for a payment. The client secret is sealed: only the gateway can open it."""

    kind: Literal["orders.payment-session-reply.v1"] = "orders.payment-session-reply.v1"
    order_id: OrderId
    payment_id: PaymentId
    amount: Money
    sealed_client_secret: str
    page_account: PageAccount = PageAccount()
    pay_until: datetime | None


class Refusal(Reply):
    """A valid command was refused; nothing changed."""

    kind: Literal["orders.refusal.v1"] = "orders.refusal.v1"
    reason: Reason
    detail: str = Field(description="a sentence a guest can read")
    mistakes: tuple[Mistake, ...] = Field(default=(), description="of a definition, each with its place")
